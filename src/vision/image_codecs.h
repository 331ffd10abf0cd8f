// One decoder a file format, behind decode_image(). Each throws kRequest with the library's reason.
//
// Thread rule: pure functions.
#pragma once

#include <span>
#include <string_view>

#include "vision/image.h"

namespace pagoda {

using ImageBytes = std::span<const std::byte>;

Image decode_jpeg(ImageBytes bytes, const ImageLimits& limits);
Image decode_png(ImageBytes bytes, const ImageLimits& limits);
Image decode_webp(ImageBytes bytes, const ImageLimits& limits);
Image decode_gif(ImageBytes bytes, const ImageLimits& limits);

// Throws kRequest where a picture of this size is empty, above the limit or of no use. Before there
// is memory for it.
void require_size_within(std::string_view format, int64_t width, int64_t height,
                         const ImageLimits& limits);
[[noreturn]] void refuse_image(std::string_view format, std::string_view reason);
// [height, width, 4] on white, rounded as PIL does.
std::vector<uint8_t> laid_on_white(std::span<const uint8_t> rgba);

}  // namespace pagoda
