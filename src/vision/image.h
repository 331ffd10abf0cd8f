// Pictures that clients send: JPEG, PNG, WebP and GIF bytes to RGB.
//
// What vLLM 0.9.2 (through PIL) makes of them: RGBA is laid on white; the alpha of grey or palette
// pictures is dropped; EXIF orientation and colour profiles are ignored; of an animation the first
// frame counts; a file that ends too early is an error.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

// Throws kRequest: what the bytes are, what is wrong with them, what is understood.
Image decode_image(std::span<const std::byte> bytes, const ImageLimits& limits = {});

}  // namespace pagoda
