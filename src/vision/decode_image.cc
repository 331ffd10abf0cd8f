#include "vision/decode_image.h"

#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/str.h"
#include "vision/image_codecs.h"

namespace pagoda {
namespace {

bool starts_with(ImageBytes bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const ImageLimits& limits) {
  if (starts_with(bytes, "\xFF\xD8\xFF")) return decode_jpeg(bytes, limits);
  if (starts_with(bytes, "\x89PNG\r\n\x1A\n")) return decode_png(bytes, limits);
  if (starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8))
    return decode_webp(bytes, limits);
  if (starts_with(bytes, "GIF87a") || starts_with(bytes, "GIF89a"))
    return decode_gif(bytes, limits);
  throw Error(ErrorKind::kRequest,
              str("image: the ", bytes.size(), " bytes are no JPEG, PNG, WebP or GIF file"));
}

}  // namespace pagoda
