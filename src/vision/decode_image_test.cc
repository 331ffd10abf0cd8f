// What a small file may make its decoder do: no more than its pixels need.

#include "vision/decode_image.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <string>

#include "base/error.h"
#include "base/str.h"
#include "vision/test_image_files.h"

namespace pagoda {
namespace {

Image decoded(const std::string& file, const ImageLimits& limits = {}) {
  return decode_image(std::as_bytes(std::span(file)), limits);
}

std::string refusal_of(const std::string& file, const ImageLimits& limits = {}) {
  try {
    decoded(file, limits);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kRequest);
    return e.what();
  }
  return "";
}

// The most memory that this process ever had.
int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} << 10;
}

// Of what decoding the file or refusing it took beyond what was there; a large file takes more.
constexpr int64_t kLittle = 64 << 20;

}  // namespace

TEST_CASE("a PNG chunk longer than the file is refused before there is memory for it") {
  const int64_t before = peak_bytes();
  const std::string said = "image: the PNG file cannot be used: it ends too early (truncated?)";
  for (const char* name : {"tEXt", "zTXt", "iCCP", "eXIf", "sPLT", "abCd", "PLTE", "IDAT"}) {
    CAPTURE(name);
    CHECK(refusal_of(png_begin(4, 4) + big_endian(0x7FFFFFF0) + name) == said);
    CHECK(refusal_of(png_begin(4, 4) + big_endian(0x7FFFFFF0) + name + std::string(100, 'x')) ==
          said);
  }
  CHECK(peak_bytes() - before < kLittle);
}

TEST_CASE("a PNG whose last chunk lacks a byte is refused, and one with bytes behind it is not") {
  const std::string whole = png_begin(4, 4) + png_end(4, 4);
  CHECK(refusal_of(whole.substr(0, whole.size() - 1)).ends_with("it ends too early (truncated?)"));
  CHECK(refusal_of(whole) == "");
  CHECK(refusal_of(whole + "more") == "");
}

TEST_CASE("chunks of a PNG that are no pixels are passed over, be they long or broken") {
  const std::string profile = std::string("a\0\0", 3) + std::string(100'000, 'x');
  std::string many;
  for (int i = 0; i < 3000; ++i) many += png_chunk("zTXt", "a");
  for (const std::string& chunks :
       {png_chunk("zTXt", profile), png_chunk("iCCP", profile), png_chunk("eXIf", profile), many}) {
    CHECK(decoded(png_begin(4, 4) + chunks + png_end(4, 4)).rgb == std::vector<uint8_t>(48, 0));
  }
}

TEST_CASE("the canvas of an animated WebP is refused before its decoder takes memory for it") {
  CHECK(refusal_of(webp_canvas(16777216, 255)) ==
        "image: the WebP file cannot be used: it has 16777216 x 255 pixels, more than the 89478485 "
        "allowed");
}

TEST_CASE("a picture whose size is of no use is refused by its header, before it is decoded") {
  const int64_t before = peak_bytes();
  const ImageLimits limits = {.check_size = [](int64_t width, int64_t height) {
    throw Error(ErrorKind::kRequest, str("seen: ", width, " x ", height));
  }};
  CHECK(refusal_of(png_begin(89478485, 1) + png_chunk("IDAT", "") + png_chunk("IEND", ""),
                   limits) == "seen: 89478485 x 1");
  CHECK(refusal_of(progressive_jpeg(8, 1), limits) == "seen: 8 x 8");
  CHECK(refusal_of(webp_canvas(5000, 3), limits) == "seen: 5000 x 3");
  CHECK(peak_bytes() - before < kLittle);
}

TEST_CASE("a progressive JPEG has as many scans as encoders write, not as fit into its file") {
  const Image once = decoded(progressive_jpeg(16, 1));
  CHECK(once.rgb == std::vector<uint8_t>(768, 128));
  CHECK(decoded(progressive_jpeg(16, 30)).rgb == once.rgb);
  CHECK(refusal_of(progressive_jpeg(16, 65)) ==
        "image: the JPEG file cannot be used: it has more than 64 scans; save it anew, best as a "
        "baseline JPEG");
}

TEST_CASE("a JPEG that nobody waits for any more is not decoded to its end") {
  int asked = 0;
  const ImageLimits limits = {.is_given_up = [&] { return ++asked == 3; }};
  CHECK(refusal_of(progressive_jpeg(512, 30), limits) ==
        "image: the JPEG file cannot be used: it takes too long to decode; send a smaller one or a "
        "baseline JPEG");
  CHECK(asked == 3);
}

}  // namespace pagoda
