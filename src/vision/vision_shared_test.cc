#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "vision/decode_image.h"
#include "vision/patches.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path images_folder() {
  return fs::path(PAGODA_SHARED_DIR) / "data/images";
}

fs::path golden_folder() {
  return fs::path(PAGODA_SHARED_DIR) / "golden/qwen2.5-vl";
}

Image decoded(const fs::path& path) {
  const MappedFile file(path);
  return decode_image(file.bytes());
}

std::string refusal_of(const fs::path& path) {
  try {
    decoded(path);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) return 256;
  int largest = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i)
    largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

// Numbers of one tensor of a safetensors file.
template <class T>
std::vector<T> tensor_of(const fs::path& path, const std::string& name) {
  const std::string text = read_text_file(path);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, text.data(), 8);
  const json::value header = json::parse(std::string_view(text).substr(8, header_bytes));
  const json::array& range = header.at(name).at("data_offsets").as_array();
  const size_t begin = json::value_to<size_t>(range[0]), end = json::value_to<size_t>(range[1]);
  std::vector<T> numbers((end - begin) / sizeof(T));
  std::memcpy(numbers.data(), text.data() + 8 + header_bytes + begin, end - begin);
  return numbers;
}

}  // namespace

TEST_CASE("every JPEG of the reference tests decodes as its picture, or is refused with a reason") {
  // The reference decodes were made with other versions of the decoder: colours of 4:2:0 edges and
  // CMYK without a profile differ by a few levels.
  const std::map<std::string, int> looser = {
      {"mjpeg.jpg", 3}, {"jpg-cmyk-1.jpg", 3}, {"jpg-cmyk-2.jpg", 3}, {"ycck.jpg", 60}};
  int decoded_files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(images_folder() / "jpeg-reftest")) {
    const fs::path& path = entry.path();
    if (path.extension() != ".jpg") continue;
    CAPTURE(path.string());
    const std::string refusal = refusal_of(path);
    if (path.string().find("lossless") != std::string::npos) {
      CHECK(refusal.starts_with("image: the JPEG file cannot be used: "));
      continue;
    }
    REQUIRE(refusal == "");
    const auto found = looser.find(path.filename().string());
    const int allowed = found == looser.end() ? 2 : found->second;
    CHECK(largest_difference(decoded(path), decoded(fs::path(path).replace_extension(".png"))) <=
          allowed);
    ++decoded_files;
  }
  CHECK(decoded_files > 30);
}

TEST_CASE("all of PngSuite decodes but for the files that are broken on purpose") {
  int decoded_files = 0;
  for (const auto& entry : fs::directory_iterator(images_folder() / "pngsuite")) {
    const fs::path& path = entry.path();
    if (path.extension() != ".png") continue;
    CAPTURE(path.string());
    if (path.filename().string()[0] == 'x') {
      CHECK(refusal_of(path) != "");
      continue;
    }
    CHECK(refusal_of(path) == "");
    ++decoded_files;
  }
  CHECK(decoded_files == 161);
}

TEST_CASE("interlacing and filters change no pixel") {
  const fs::path suite = images_folder() / "pngsuite";
  for (const std::string kind :
       {"0g01", "0g08", "0g16", "2c08", "2c16", "3p08", "4a08", "4a16", "6a08", "6a16"}) {
    CAPTURE(kind);
    CHECK(largest_difference(decoded(suite / ("basn" + kind + ".png")),
                             decoded(suite / ("basi" + kind + ".png"))) == 0);
  }
}

TEST_CASE("a cut file is refused at any length, and crashes at none") {
  for (const fs::path& path : {images_folder() / "jpeg-reftest/mozilla/jpg-size-33x33.jpg",
                               images_folder() / "pngsuite/basn6a08.png"}) {
    const std::string whole = read_text_file(path);
    for (size_t size = 0; size + 16 < whole.size(); size += 7) {
      CHECK_THROWS_AS(decode_image(std::as_bytes(std::span(whole.data(), size))), Error);
    }
  }
}

TEST_CASE("pictures become the patches that the Hugging Face processor makes") {
  const json::object expected =
      json::parse(read_text_file(golden_folder() / "expected.json")).as_object();
  const PatchConfig config{.min_pixels = 3136, .max_pixels = 28224};
  for (const auto& pair : expected.at("images").as_object()) {
    const std::string name = pair.key();
    const json::value& facts = pair.value();
    CAPTURE(name);
    const Image resized =
        resized_for_patches(decoded(golden_folder() / "images" / (name + ".png")), config);
    const PatchGrid got = grid_of(resized, config);
    const json::array& grid = facts.at("grid_thw").as_array();
    CHECK(got.t == json::value_to<int64_t>(grid[0]));
    CHECK(got.h == json::value_to<int64_t>(grid[1]));
    CHECK(got.w == json::value_to<int64_t>(grid[2]));
    std::vector<float> pixels;
    for (int64_t i = 0; i < got.tokens(config.merge_size); ++i) {
      append_merged_patch(pixels, resized, config, i);
    }

    const auto row_sums =
        tensor_of<double>(golden_folder() / "expected.tensors", "image." + name + ".row_sums");
    const auto first_rows =
        tensor_of<float>(golden_folder() / "expected.tensors", "image." + name + ".first_rows");
    const size_t row = pixels.size() / row_sums.size();
    double worst_sum = 0, worst = 0;
    for (size_t i = 0; i < row_sums.size(); ++i) {
      double sum = 0;
      for (size_t k = 0; k < row; ++k) sum += pixels[i * row + k];
      worst_sum = std::max(worst_sum, std::fabs(sum - row_sums[i]));
    }
    for (size_t i = 0; i < first_rows.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::fabs(pixels[i] - first_rows[i])));
    }
    CHECK(worst < 1e-6);
    CHECK(worst_sum < 1e-3);  // one grey level would be 0.0147
  }
}

TEST_CASE("a picture of extreme shape is refused in the processor's words") {
  CHECK_THROWS_WITH_AS(
      resized_size(4000, 10, {}),
      "image: absolute aspect ratio must be smaller than 200, got 4000 x 10 pixels; crop it",
      Error);
}

}  // namespace pagoda
