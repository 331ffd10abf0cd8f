#include "load/generation_config.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "load/hf_config.h"
#include "load/test_files.h"

namespace pagoda {
namespace {

struct Fixture {
  GenerationDefaults load(const std::string& source = "auto", std::string_view overrides = "{}") {
    return load_generation_defaults(folder.path(), config.keys(),
                                    {source, boost::json::parse(overrides).get_object()});
  }
  std::string error(const std::string& source = "auto", std::string_view overrides = "{}") {
    return message_of<Error>([&] { load(source, overrides); });
  }
  void write(std::string_view content) { folder.write("generation_config.json", content); }

  TemporaryFolder folder;
  HfConfig config{boost::json::parse(R"({"eos_token_id": 9})").get_object(), "config.json"};
};

}  // namespace

TEST_CASE("the model's file gives defaults and end tokens") {
  Fixture f;
  f.write(R"({"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95,
              "eos_token_id": [2, 0], "max_new_tokens": 2048})");
  const GenerationDefaults defaults = f.load();
  CHECK(defaults.text() == "{'temperature': 0.6, 'top_k': 20, 'top_p': 0.95, 'max_tokens': 2048}");
  CHECK(defaults.eos_token_ids == std::vector{TokenId(2), TokenId(0)});
  CHECK_FALSE(defaults.min_p.has_value());
}

TEST_CASE("values that are transformers' own defaults count as not said") {
  Fixture f;
  f.write(R"({"temperature": 1.0, "top_k": 50, "top_p": 1, "repetition_penalty": 1.0})");
  CHECK(f.load().text() == "{}");
  CHECK(f.load("auto", R"({"top_k": 50})").text() == "{'top_k': 50}");
}

TEST_CASE("neutral defaults keep the model's end tokens") {
  Fixture f;
  f.write(R"({"temperature": 0.6, "eos_token_id": 2})");
  CHECK(f.load("vllm").text() == "{}");
  CHECK(f.load("vllm").eos_token_ids == std::vector{TokenId(2)});
  CHECK(f.load("vllm", R"({"temperature": 0.5})").text() == "{'temperature': 0.5}");
}

TEST_CASE("without a file the end tokens are those of config.json") {
  Fixture f;
  CHECK(f.load().text() == "{}");
  CHECK(f.load().eos_token_ids == std::vector{TokenId(9)});
}

TEST_CASE("another folder may give the file, and must have it") {
  Fixture f;
  f.folder.write("other/generation_config.json", R"({"min_p": 0.1})");
  CHECK(f.load((f.folder.path() / "other").string()).text() == "{'min_p': 0.1}");
  CHECK(f.error("/nowhere") ==
        "--generation-config: /nowhere holds no generation_config.json; "
        "give auto, vllm, or a folder that holds one");
}

TEST_CASE("overrides are laid over the file, and null takes a value back") {
  Fixture f;
  f.write(R"({"temperature": 0.6, "top_k": 20})");
  CHECK(f.load("auto", R"({"temperature": 0.1, "top_p": 0.5, "top_k": null})").text() ==
        "{'temperature': 0.1, 'top_p': 0.5}");
}

TEST_CASE("a value out of range names where it stands") {
  Fixture f;
  f.write(R"({"top_p": 0})");
  const std::string path = (f.folder.path() / "generation_config.json").string();
  CHECK(f.error() == path +
                         ": top_p is 0, expected a number in (0, 1]; correct the file or use "
                         "--generation-config vllm");
  f.write(R"({"temperature": "hot"})");
  CHECK(f.error().starts_with(path + ": temperature is \"hot\", expected a number"));
  f.write("{}");
  CHECK(f.error("auto", R"({"temperature": -1})") ==
        "--override-generation-config: temperature is -1, expected a number from 0; correct the "
        "option");
  f.write(R"({"eos_token_id": -5})");
  CHECK(f.error().starts_with(path + ": eos_token_id holds -5, expected token ids"));
}

}  // namespace pagoda
