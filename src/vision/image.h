// A picture as its pixels.
#pragma once

#include <cstdint>
#include <vector>

namespace pagoda {

// u8 [height, width, 3], row-major.
struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

struct ImageLimits {
  int64_t max_pixels = 89'478'485;  // PIL warns above: 256 MiB at 3 bytes a pixel
};

}  // namespace pagoda
