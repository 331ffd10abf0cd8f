#include "cli/model_files.h"

#include <doctest/doctest.h>
#include <unistd.h>

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
  CHECK(files.definition.facts.architecture == "Qwen3ForCausalLM");
  CHECK(files.definition.facts.max_positions == 2048);
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
  CHECK(files.definition.facts.max_positions == 99);
}

std::string refusal_of(const Settings& settings) {
  try {
    find_model_files(settings);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kConfig);
    return e.what();
  }
  return "accepted";
}

TEST_CASE("a model that sees images says how, and the operator may change the bounds") {
  const fs::path folder = fs::path(PAGODA_SOURCE_DIR) / "testdata/models/qwen2.5-vl";
  Settings settings = settings_for(folder.string());
  CHECK(find_model_files(settings).pictures->max_pixels == 28224);
  settings.model.processor_arguments = {{"max_pixels", 6272}};
  settings.model.media_limits = {{"image", 2}};
  CHECK(find_model_files(settings).pictures->max_pixels == 6272);
  settings.model.processor_arguments = {{"max_pixels", 0}};
  CHECK(refusal_of(settings) ==
        "--mm-processor-kwargs: max_pixels is 0, but has to be a whole number from 1 to 268435456");
}

TEST_CASE("--quantization agrees with the checkpoint or is refused by name") {
  const fs::path models = fs::path(PAGODA_SOURCE_DIR) / "testdata/models";
  Settings packed = settings_for((models / "ct-w4a16-asym").string());
  for (const char* name : {"", "compressed-tensors", "Compressed_Tensors"}) {
    packed.model.quantization = name;
    CHECK(refusal_of(packed) == "accepted");
  }
  packed.model.quantization = "awq";
  CHECK(refusal_of(packed) ==
        "Quantization method specified in the model config (compressed-tensors) does not match the "
        "quantization method specified in the `quantization` argument (awq). Leave --quantization "
        "out, or give compressed-tensors");
  Settings plain = settings_for(demo_folder().string());
  plain.model.quantization = "fp8";
  CHECK(refusal_of(plain) == "--quantization fp8: " + (demo_folder() / "config.json").string() +
                                 " has no quantization_config, and weights are not quantized while "
                                 "they are read; leave the option out, or give a checkpoint that "
                                 "is stored so");
}

TEST_CASE("the folder of local images has to be one, before anything is loaded") {
  const fs::path folder = fs::path(PAGODA_SOURCE_DIR) / "testdata/models/qwen2.5-vl";
  Settings settings = settings_for(folder.string());
  settings.server.pictures.allowed_local_folder = "/no/such/folder";
  CHECK(refusal_of(settings) ==
        "Invalid `--allowed-local-media-path`: The path /no/such/folder does not exist.");
  const std::string file = (folder / "config.json").string();
  settings.server.pictures.allowed_local_folder = file;
  CHECK(refusal_of(settings) ==
        "Invalid `--allowed-local-media-path`: The path " + file + " must be a directory.");
}

TEST_CASE("options about images are refused for a model that sees none") {
  Settings settings = settings_for(demo_folder().string());
  settings.model.media_limits = {{"image", 2}};
  CHECK(refusal_of(settings) ==
        "`limit_mm_per_prompt` is only supported for multimodal models. Qwen3ForCausalLM sees no "
        "images; leave the option out");
  settings.model.media_limits.clear();
  settings.model.processor_arguments = {{"max_pixels", 6272}};
  CHECK(refusal_of(settings).starts_with(
      "`mm_processor_kwargs` is only supported for multimodal models."));
}

TEST_CASE("sampling defaults come from the file, and neutral ones keep the model's end tokens") {
  Settings settings = settings_for(demo_folder().string());
  settings.generation.source = "vllm";
  const ModelFiles files = find_model_files(settings);
  const SamplingDefaults defaults = sampling_defaults_of(files.defaults, TokenId(2));
  CHECK(!defaults.temperature.has_value());
  CHECK(defaults.stop_token_ids == std::vector<TokenId>{TokenId(0)});
}

// A home whose cache holds the demo model under two names, in two revisions each.
class Home {
 public:
  Home() {
    std::string name = (fs::temp_directory_path() / "pagoda-home-XXXXXX").string();
    path_ = mkdtemp(name.data());
    for (const char* model : {"models--o--one", "models--o--two"}) {
      for (const char* revision : {"main", "v1"}) add(model, revision);
    }
  }
  ~Home() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  fs::path snapshot(const std::string& model, const std::string& revision) const {
    return path_ / ".cache/huggingface/hub" / model / "snapshots" / revision;
  }
  Settings settings(const std::string& model) const {
    Settings s = settings_for(model);
    s.hub.home = path_.string();
    s.hub.offline_variable = "HF_HUB_OFFLINE";
    return s;
  }

 private:
  void add(const char* model, const char* revision) const {
    const fs::path folder = snapshot(model, revision);
    fs::create_directories(folder);
    for (const fs::directory_entry& file : fs::directory_iterator(demo_folder())) {
      fs::create_symlink(file.path(), folder / file.path().filename());
    }
  }

  fs::path path_;
};

TEST_CASE("the tokenizer is of the model's revision, but where it has one of its own") {
  const Home home;
  Settings settings = home.settings("o/one");
  settings.hub.revision = "v1";
  CHECK(find_model_files(settings).folder == home.snapshot("models--o--one", "v1"));
  CHECK(find_model_files(settings).tokenizer_folder == home.snapshot("models--o--one", "v1"));
  settings.model.tokenizer = "o/two";
  CHECK(find_model_files(settings).tokenizer_folder == home.snapshot("models--o--two", "v1"));
  settings.tokenizer_revision = "main";
  CHECK(find_model_files(settings).tokenizer_folder == home.snapshot("models--o--two", "main"));
  settings.model.tokenizer = "";
  CHECK(find_model_files(settings).folder == home.snapshot("models--o--one", "v1"));
  CHECK(find_model_files(settings).tokenizer_folder == home.snapshot("models--o--one", "main"));
}

TEST_CASE("configuration and sampling defaults of another model are of the same revision") {
  const Home home;
  const fs::path other = home.snapshot("models--o--two", "v1");
  fs::remove(other / "generation_config.json");
  std::ofstream(other / "generation_config.json") << R"({"temperature": 0.25})";
  fs::remove(home.snapshot("models--o--two", "main") / "config.json");
  Settings settings = home.settings("o/one");
  settings.model.hf_config_path = "o/two";
  CHECK(refusal_of(settings).find("misses config.json") != std::string::npos);
  settings.hub.revision = "v1";
  CHECK(find_model_files(settings).defaults.temperature == 0.25);
}

TEST_CASE("a model without a tokenizer is whole where another brings it") {
  const Home home;
  const fs::path folder = home.snapshot("models--o--one", "main");
  fs::remove(folder / "tokenizer.json");
  Settings settings = home.settings("o/one");
  CHECK(refusal_of(settings).find("misses tokenizer.json") != std::string::npos);
  settings.model.tokenizer = "o/two";
  CHECK(find_model_files(settings).folder == folder);
  CHECK(find_model_files(settings).tokenizer_folder == home.snapshot("models--o--two", "main"));
}

TEST_CASE("a chat template is the model's own, a file, or a text in one line") {
  CHECK(render(*open_chat_template("", demo_folder())).find("<|im_start|>user\nhi") !=
        std::string::npos);
  CHECK(render(*open_chat_template("{{ messages[0].content }}!", demo_folder())) == "hi!");
  const fs::path file = fs::temp_directory_path() / (std::to_string(getpid()) + "-template.jinja");
  std::ofstream(file) << "<{{ messages[0].role }}>";
  CHECK(render(*open_chat_template(file.string(), demo_folder())) == "<user>");
  fs::remove(file);
  CHECK_THROWS_WITH_AS(open_chat_template("{% for x in %}", demo_folder()),
                       doctest::Contains("--chat-template: the chat template does not parse: "),
                       Error);
  CHECK_THROWS_WITH_AS(open_chat_template("nowhere.jinja", demo_folder()),
                       doctest::Contains("(nowhere.jinja) appears path-like, but doesn't exist!"),
                       Error);
}

}  // namespace
}  // namespace pagoda
