#include "load/hf_config.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "load/test_files.h"

namespace pagoda {
namespace {

HfConfig config_of(std::string_view text) {
  return {boost::json::parse(text).get_object(), "config.json"};
}

template <class F>
std::string error_of(F&& f) {
  return message_of<Error>(f);
}

}  // namespace

TEST_CASE("a required key that is missing, null or ill-typed is named") {
  const HfConfig config = config_of(R"({"hidden_size": "big", "head_dim": null, "layers": 2.5})");
  const std::string of_text = error_of([&] { config.integer("hidden_size"); });
  CHECK(of_text ==
        "config.json: hidden_size is \"big\", expected an integer; correct the file or "
        "--hf-overrides");
  const std::string of_null = error_of([&] { config.integer("head_dim"); });
  CHECK(of_null ==
        "config.json: head_dim is null, expected an integer; take the file from the model's page "
        "or add the key with --hf-overrides");
  const std::string of_missing = error_of([&] { config.number("rms_norm_eps"); });
  CHECK(of_missing.starts_with("config.json: rms_norm_eps is missing, expected a number"));
  const std::string of_fraction = error_of([&] { config.integer("layers"); });
  CHECK(of_fraction.starts_with("config.json: layers is 2.5,"));
}

TEST_CASE("numbers may be written either way, defaults stand in for absent and null") {
  const HfConfig config = config_of(
      R"({"a": 4096.0, "theta": 1000000, "off": null, "ids": [1, 2], "one": 7, "flag": true})");
  CHECK(config.integer("a") == 4096);
  CHECK(config.number("theta") == 1e6);
  CHECK(config.integer_or("off", 5) == 5);
  CHECK(config.integer_or("none", 6) == 6);
  CHECK(config.flag_or("flag", false));
  CHECK(config.integers_or_empty("ids") == std::vector<int64_t>{1, 2});
  CHECK(config.integers_or_empty("one") == std::vector<int64_t>{7});
  CHECK(config.integers_or_empty("off").empty());
  const std::string of_number = error_of([&] { config.flag_or("one", false); });
  CHECK(of_number.starts_with("config.json: one is 7, expected true or false"));
}

TEST_CASE("a decoder in a section of its own is read like any other, overrides before it") {
  TemporaryFolder folder;
  folder.write("config.json", R"({"model_type": "qwen2_5_vl", "sliding_window": null,
      "text_config": {"model_type": "qwen2_5_vl_text", "hidden_size": 64, "layers": 28,
                      "sliding_window": 9}})");
  const HfConfig config =
      HfConfig::load(folder.path(), boost::json::parse(R"({"layers": 2})").as_object());
  CHECK(config.integer("hidden_size") == 64);
  CHECK(config.integer("sliding_window") == 9);
  CHECK(config.integer("layers") == 2);
  CHECK(config.text("model_type") == "qwen2_5_vl");
  const HfConfig cut = HfConfig::load(
      folder.path(), boost::json::parse(R"({"text_config": {"layers": 3}})").as_object());
  CHECK(cut.integer("layers") == 3);
}

TEST_CASE("a section knows where it stands") {
  const HfConfig config = config_of(R"({"rope_scaling": {"type": "yarn"}, "none": null})");
  CHECK(config.section("none").empty());
  CHECK(config.section("rope_scaling").text("type") == "yarn");
  const std::string in_section = error_of([&] { config.section("rope_scaling").number("factor"); });
  CHECK(in_section.starts_with("config.json: rope_scaling: factor is missing, expected a number"));
}

TEST_CASE("the architecture is the first of its list") {
  CHECK(config_of(R"({"architectures": ["A", "B"]})").architecture() == "A");
  const std::string without_list = error_of([] { config_of("{}").architecture(); });
  CHECK(without_list.starts_with("config.json: architectures is missing"));
  const std::string with_empty_list =
      error_of([] { config_of(R"({"architectures": []})").architecture(); });
  CHECK(with_empty_list.starts_with("config.json: architectures is [], expected a name in it"));
}

TEST_CASE("overrides are merged key by key, however deep") {
  const TemporaryFolder folder;
  folder.write("config.json",
               R"({"a": 1, "rope": {"type": "yarn", "factor": 2, "deep": {"x": 1}}})");
  const auto overrides =
      boost::json::parse(R"({"b": 2, "rope": {"factor": 4, "deep": {"y": 2}}})").get_object();
  const HfConfig config = HfConfig::load(folder.path(), overrides);
  CHECK(
      boost::json::value(config.values()) ==
      boost::json::parse(
          R"({"a": 1, "rope": {"type": "yarn", "factor": 4, "deep": {"x": 1, "y": 2}}, "b": 2})"));
}

TEST_CASE("a file that is no JSON object is said to be none, with the line") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "config.json").string();
  const auto load = [&] { HfConfig::load(folder.path(), {}); };
  CHECK(error_of(load).starts_with(path + ": cannot be read: No such file"));
  folder.write("config.json", "{\n\"a\": 1,\n}");
  CHECK(error_of(load).starts_with(path + ": is not valid JSON: "));
  CHECK(error_of(load).find("at line 3") != std::string::npos);
  folder.write("config.json", "[1]");
  CHECK(error_of(load) == path + ": is array, expected a JSON object {...}; get the file again");
}

}  // namespace pagoda
