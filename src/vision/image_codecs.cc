#include "vision/image_codecs.h"

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

void require_size_within(std::string_view format, int64_t width, int64_t height,
                         const ImageLimits& limits) {
  if (width <= 0 || height <= 0) refuse_image(format, "it has no pixels");
  if (width > limits.max_pixels / height) {
    refuse_image(format, str("it has ", width, " x ", height, " pixels, more than the ",
                             limits.max_pixels, " allowed"));
  }
  if (limits.check_size) limits.check_size(width, height);
}

void refuse_image(std::string_view format, std::string_view reason) {
  throw Error(ErrorKind::kRequest, str("image: the ", format, " file cannot be used: ", reason));
}

std::vector<uint8_t> laid_on_white(std::span<const uint8_t> rgba) {
  std::vector<uint8_t> rgb(rgba.size() / 4 * 3);
  for (size_t i = 0, o = 0; i < rgba.size(); i += 4, o += 3) {
    const uint32_t alpha = rgba[i + 3];
    for (size_t c = 0; c < 3; ++c) {
      const uint32_t sum = 255 * (255 - alpha) + rgba[i + c] * alpha + 128;
      rgb[o + c] = static_cast<uint8_t>((sum + (sum >> 8)) >> 8);
    }
  }
  return rgb;
}

}  // namespace pagoda
