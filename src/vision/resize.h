// Resizes as PIL does (Pillow, Image.resize with BICUBIC and its default antialiasing), to the bit.
//
// Thread rule: pure function.
#pragma once

#include "vision/image.h"

namespace pagoda {

Image resize_bicubic(const Image& image, int64_t width, int64_t height);

}  // namespace pagoda
