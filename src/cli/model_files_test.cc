#include "cli/model_files.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

fs::path demo_folder() {
  return fs::path(PAGODA_SOURCE_DIR) / "models" / "demo";
}

Settings settings_for(const std::string& model) {
  Settings settings;
  settings.model.model = model;
  return settings;
}

std::string render(const ChatTemplate& chat_template) {
  const boost::json::array messages = {{{"role", "user"}, {"content", "hi"}}};
  return chat_template.render({.messages = messages});
}

TEST_CASE("the demo model is found, with what its files say") {
  const ModelFiles files = find_model_files(settings_for(demo_folder().string()));
  CHECK(files.folder == demo_folder());
  CHECK(files.tokenizer_folder == demo_folder());
  CHECK(files.facts.architecture == "Qwen3ForCausalLM");
  CHECK(files.facts.max_positions == 2048);
  CHECK(files.dtype == DType::kBF16);
  CHECK(files.weight_bytes > 10'000'000);
  CHECK(files.defaults.temperature == 0.6);
}

TEST_CASE("random weights need no files but config.json") {
  Settings settings = settings_for(demo_folder().string());
  settings.engine.model.load_format = LoadFormat::kDummy;
  settings.model.dtype = "float32";
  settings.model.hf_overrides["max_position_embeddings"] = 99;
  const ModelFiles files = find_model_files(settings);
  CHECK(files.weight_bytes == 0);
  CHECK(files.dtype == DType::kF32);
  CHECK(files.facts.max_positions == 99);
}

TEST_CASE("sampling defaults come from the file, and neutral ones keep the model's end tokens") {
  Settings settings = settings_for(demo_folder().string());
  settings.generation.source = "vllm";
  const ModelFiles files = find_model_files(settings);
  const SamplingDefaults defaults = sampling_defaults_of(files.defaults, TokenId(2));
  CHECK(!defaults.temperature.has_value());
  CHECK(defaults.stop_token_ids == std::vector<TokenId>{TokenId(0)});
}

TEST_CASE("a chat template is the model's own, a file, or a text in one line") {
  CHECK(render(*open_chat_template("", demo_folder())).find("<|im_start|>user\nhi") !=
        std::string::npos);
  CHECK(render(*open_chat_template("{{ messages[0].content }}!", demo_folder())) == "hi!");
  const fs::path file = fs::temp_directory_path() / (std::to_string(getpid()) + "-template.jinja");
  std::ofstream(file) << "<{{ messages[0].role }}>";
  CHECK(render(*open_chat_template(file.string(), demo_folder())) == "<user>");
  fs::remove(file);
  CHECK_THROWS_WITH_AS(open_chat_template("nowhere.jinja", demo_folder()),
                       doctest::Contains("(nowhere.jinja) appears path-like, but doesn't exist!"),
                       Error);
}

}  // namespace
}  // namespace pagoda
