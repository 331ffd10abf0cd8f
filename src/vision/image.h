// A picture as its pixels, and what limits the decoding of one.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace pagoda {

// u8 [height, width, 3], row-major.
struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

struct ImageLimits {
  int64_t max_pixels = 89'478'485;  // PIL warns above: 256 MiB at 3 bytes a pixel
  // Told the size that the header says, before there is memory for it; throws kRequest where
  // nothing could be done with such a picture.
  std::function<void(int64_t width, int64_t height)> check_size = {};
  // Asked again and again where a file may take far longer than its pixels: whether that is enough.
  std::function<bool()> is_given_up = {};
};

}  // namespace pagoda
