// Pictures that clients send: JPEG, PNG, WebP and GIF bytes to RGB.
//
// What vLLM 0.9.2 (through PIL) makes of them: RGBA is laid on white; the alpha of grey or palette
// pictures is dropped; EXIF orientation and colour profiles are ignored; of an animation the first
// frame counts; a file that ends too early is an error.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "vision/image.h"

namespace pagoda {

// Throws kRequest: what the bytes are, what is wrong with them, what is understood.
Image decode_image(std::span<const std::byte> bytes, const ImageLimits& limits = {});

}  // namespace pagoda
