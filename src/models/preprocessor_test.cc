#include "models/preprocessor.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "load/hf_config.h"

namespace pagoda {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

class Folder {
 public:
  explicit Folder(const std::string& text) {
    std::string name = (fs::temp_directory_path() / "preprocessor-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    std::ofstream(path_ / "preprocessor_config.json") << text;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

PatchConfig loaded(const std::string& text) {
  return load_patch_config(Folder(text).path());
}

// Behind the name of the file.
std::string refusal_of(const std::string& text) {
  try {
    loaded(text);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kConfig);
    const std::string message = e.what(), file = "preprocessor_config.json: ";
    return message.substr(message.find(file) + file.size());
  }
  return "accepted";
}

std::string refusal_of_arguments(const json::object& values) {
  try {
    with_processor_arguments(
        {}, {.values = values, .origin = "mm_processor_kwargs", .blame = ErrorKind::kRequest});
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kRequest);
    return e.what();
  }
  return "accepted";
}

TEST_CASE("an empty file means the defaults of transformers") {
  const PatchConfig config = loaded("{}");
  CHECK(config.min_pixels == 56 * 56);
  CHECK(config.max_pixels == 28 * 28 * 1280);
  CHECK(config.patch_size == 14);
  CHECK(config.temporal_patch_size == 2);
  CHECK(config.merge_size == 2);
  CHECK(config.mean[0] == 0.48145466F);
  CHECK(config.deviation[2] == 0.27577711F);
}

TEST_CASE("the bounds stand by themselves or as edges of the size, and the former win") {
  CHECK(loaded(R"({"max_pixels": 12845056})").max_pixels == 12845056);
  const PatchConfig edges = loaded(R"({"size": {"shortest_edge": 4096, "longest_edge": 8192}})");
  CHECK(edges.min_pixels == 4096);
  CHECK(edges.max_pixels == 8192);
  const PatchConfig both = loaded(
      R"({"size": {"max_pixels": 9999, "min_pixels": 5000}, "max_pixels": 1003520, "min_pixels": 3136})");
  CHECK(both.min_pixels == 3136);
  CHECK(both.max_pixels == 1003520);
}

TEST_CASE("one number stands for all channels") {
  const PatchConfig config = loaded(R"({"image_mean": 0.5, "image_std": [0.1, 0.2, 0.3]})");
  CHECK(config.mean[1] == 0.5F);
  CHECK(config.deviation[1] == 0.2F);
}

TEST_CASE("what would make other patches is refused by key and value") {
  CHECK(refusal_of(R"({"do_resize": false})") == "do_resize is false, but only true is possible");
  CHECK(refusal_of(R"({"resample": 2})") == "resample is 2, but only 3 (bicubic) is possible");
  CHECK(refusal_of(R"({"rescale_factor": 0.5})") ==
        "rescale_factor is 0.5, but only 1 / 255 is possible");
  CHECK(refusal_of(R"({"rescale_factor": 0.00392156862745098})") == "accepted");
  CHECK(refusal_of(R"({"patch_size": 0})") ==
        "patch_size is 0, but has to be a whole number from 1 to 256");
  CHECK(refusal_of(R"({"image_std": [0.1, 0.2]})") ==
        "image_std is [0.1, 0.2], but has to be a number, or a list of three");
  CHECK(refusal_of(R"({"image_std": 0})") == "image_std is 0, but it divides, so it must not be 0");
  CHECK(refusal_of(R"({"size": {"height": 224}})") ==
        "size: height is 224, but only shortest_edge and longest_edge, in pixels of area, are "
        "possible");
  CHECK(refusal_of(R"({"min_pixels": 5000, "max_pixels": 4000})") ==
        "min_pixels is 5000, but min_pixels (5000) has to be at most max_pixels (4000)");
}

TEST_CASE("arguments change the bounds and nothing else") {
  const json::object values = {{"min_pixels", 784}, {"max_pixels", 50176}, {"use_fast", true}};
  const PatchConfig config = with_processor_arguments(
      {}, {.values = values, .origin = "--mm-processor-kwargs", .blame = ErrorKind::kConfig});
  CHECK(config.min_pixels == 784);
  CHECK(config.max_pixels == 50176);
  CHECK(refusal_of_arguments({{"do_resize", false}}) ==
        "mm_processor_kwargs: do_resize is false, but only min_pixels, max_pixels and size "
        "{shortest_edge, longest_edge} are possible");
  CHECK(refusal_of_arguments({{"max_pixels", "many"}}) ==
        "mm_processor_kwargs: max_pixels is \"many\", but has to be a whole number from 1 to "
        "268435456");
  CHECK(refusal_of_arguments({{"max_pixels", 1.5}}) != "accepted");
}

}  // namespace
TEST_CASE("a file that cuts other patches than the model has is refused, whoever says so") {
  const auto model = [](std::string_view vision) {
    return HfConfig(boost::json::parse({vision.data(), vision.size()}).as_object(), "config.json");
  };
  require_fit({}, model(R"({"vision_config":{"patch_size":14,"spatial_merge_size":2}})").keys());
  require_fit({}, model(R"({"vision_config":{}})").keys());
  CHECK_THROWS_WITH_AS(require_fit({}, model(R"({"vision_config":{"patch_size":16}})").keys()),
                       "config.json: vision_config: patch_size is 16, but 14 in "
                       "preprocessor_config.json; take both files from the same model",
                       Error);
  CHECK_THROWS_WITH_AS(require_fit({.merge_size = 1}, model("{}").keys()),
                       "config.json: vision_config: spatial_merge_size is 2, but 1 in "
                       "preprocessor_config.json; take both files from the same model",
                       Error);
}

}  // namespace pagoda
