#include "load/hf_config.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "load/test_files.h"

namespace pagoda {
namespace {

template <class F>
std::string error_of(F&& f) {
  return message_of<Error>(f);
}

}  // namespace

TEST_CASE("a key that is missing or does not fit is told with what to do about it") {
  const HfConfig config({{"hidden_size", "big"}}, "config.json");
  const std::string of_text = error_of([&] { config.keys().integer("hidden_size"); });
  CHECK(of_text ==
        "config.json: hidden_size is \"big\", expected an integer; correct the file or "
        "--hf-overrides");
  const std::string of_missing = error_of([&] { config.keys().integer("head_dim"); });
  CHECK(of_missing ==
        "config.json: head_dim is missing, expected an integer; take the file from the model's "
        "page or add the key with --hf-overrides");
}

TEST_CASE("a decoder in a section of its own is read like any other, overrides before it") {
  TemporaryFolder folder;
  folder.write("config.json", R"({"model_type": "qwen2_5_vl", "sliding_window": null,
      "text_config": {"model_type": "qwen2_5_vl_text", "hidden_size": 64, "layers": 28,
                      "sliding_window": 9}})");
  const HfConfig config =
      HfConfig::load(folder.path(), boost::json::parse(R"({"layers": 2})").as_object());
  CHECK(config.keys().integer("hidden_size") == 64);
  CHECK(config.keys().integer("sliding_window") == 9);
  CHECK(config.keys().integer("layers") == 2);
  CHECK(config.keys().text("model_type") == "qwen2_5_vl");
  const HfConfig cut = HfConfig::load(
      folder.path(), boost::json::parse(R"({"text_config": {"layers": 3}})").as_object());
  CHECK(cut.keys().integer("layers") == 3);
}

TEST_CASE("overrides are merged key by key, however deep") {
  const TemporaryFolder folder;
  folder.write("config.json",
               R"({"a": 1, "rope": {"type": "yarn", "factor": 2, "deep": {"x": 1}}})");
  const auto overrides =
      boost::json::parse(R"({"b": 2, "rope": {"factor": 4, "deep": {"y": 2}}})").get_object();
  const HfConfig config = HfConfig::load(folder.path(), overrides);
  CHECK(
      boost::json::value(config.keys().object()) ==
      boost::json::parse(
          R"({"a": 1, "rope": {"type": "yarn", "factor": 4, "deep": {"x": 1, "y": 2}}, "b": 2})"));
}

TEST_CASE("a file that is no JSON object is said to be none, with the line") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "config.json").string();
  const auto load = [&] { HfConfig::load(folder.path()); };
  CHECK(error_of(load).starts_with(path + ": cannot be read: No such file"));
  folder.write("config.json", "{\n\"a\": 1,\n}");
  CHECK(error_of(load).starts_with(path + ": is not valid JSON: "));
  CHECK(error_of(load).find("at line 3") != std::string::npos);
  folder.write("config.json", "[1]");
  CHECK(error_of(load) == path + ": is array, expected a JSON object {...}; get the file again");
}

}  // namespace pagoda
