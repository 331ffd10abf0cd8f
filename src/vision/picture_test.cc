#include "vision/picture.h"

#include <doctest/doctest.h>

#include <optional>
#include <utility>

namespace pagoda {
namespace {

Image plain_image(int64_t width, int64_t height, uint8_t level) {
  return {.width = width,
          .height = height,
          .rgb = std::vector<uint8_t>(static_cast<size_t>(width * height * 3), level)};
}

}  // namespace

TEST_CASE("a picture is known by its size and its pixels") {
  const PictureHash hash = make_picture(plain_image(56, 28, 7)).hash;
  CHECK(make_picture(plain_image(56, 28, 7)).hash == hash);
  CHECK(make_picture(plain_image(56, 28, 8)).hash != hash);
  CHECK(make_picture(plain_image(28, 56, 7)).hash != hash);
}

TEST_CASE("a picture that several requests show is kept once, until the last of them goes") {
  PictureStore store;
  std::optional<PictureRef> first = store.keep(make_picture(plain_image(28, 28, 1)));
  std::optional<PictureRef> second = store.keep(make_picture(plain_image(28, 28, 1)));
  CHECK(&**first == &**second);
  CHECK(store.bytes() == 28 * 28 * 3);
  const std::optional<PictureRef> other = store.keep(make_picture(plain_image(28, 28, 2)));
  CHECK(store.bytes() == 2 * 28 * 28 * 3);
  std::optional<PictureRef> copy = first;
  std::optional<PictureRef> moved = std::move(first);
  second.reset();
  moved.reset();
  CHECK((*copy)->image.rgb[0] == 1);
  copy = other;
  CHECK(store.bytes() == 28 * 28 * 3);
}

}  // namespace pagoda
