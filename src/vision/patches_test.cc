#include "vision/patches.h"

#include <doctest/doctest.h>

#include <string>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

std::string resized(int64_t width, int64_t height, int64_t least, int64_t most) {
  const PixelSize size = resized_size(width, height, {.min_pixels = least, .max_pixels = most});
  return str(size.width, "x", size.height);
}

// The right sides are what smart_resize of transformers 4.53.2 gives.
TEST_CASE("sizes become whole merged patches as transformers makes them") {
  CHECK(resized(70, 42, 3136, 1003520) == "56x56");  // half to even
  CHECK(resized(4000, 3000, 3136, 1003520) == "1148x840");
  CHECK(resized(13, 600, 784, 28224) == "28x196");
  CHECK(resized(1, 1, 3136, 1003520) == "56x56");
}

TEST_CASE("a picture with a side that rounds to nothing is made larger, though it is long") {
  CHECK(resized(1000, 10, 3136, 12845056) == "560x28");
  CHECK(resized(14, 2800, 3136, 1003520) == "28x812");
}

TEST_CASE("a strip is refused with its size") {
  try {
    resized_size(2010, 10, {});
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kRequest);
    CHECK(std::string(e.what()) ==
          "image: absolute aspect ratio must be smaller than 200, got 2010 x 10 pixels; crop it");
  }
}

}  // namespace
}  // namespace pagoda
