// WebP through libwebp: lossy, lossless, with alpha; the first frame of an animation.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "vision/image_codecs.h"

namespace pagoda {
namespace {

// `image` has its size.
void read_first_frame(ImageBytes bytes, Image& image) {
  const WebPData data = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(
      WebPAnimDecoderNew(&data, nullptr), WebPAnimDecoderDelete);
  WebPAnimInfo info;
  if (decoder == nullptr || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      info.canvas_width != image.width || info.canvas_height != image.height) {
    refuse_image("WebP", "its animation is broken");
  }
  uint8_t* rgba = nullptr;
  int end_ms = 0;
  if (WebPAnimDecoderGetNext(decoder.get(), &rgba, &end_ms) == 0) {
    refuse_image("WebP", "its first frame is broken or missing");
  }
  image.rgb = laid_on_white({rgba, static_cast<size_t>(image.width * image.height * 4)});
}

}  // namespace

Image decode_webp(ImageBytes bytes, const ImageLimits& limits) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK) {
    refuse_image("WebP", "its header is broken or cut short");
  }
  Image image{.width = features.width, .height = features.height, .rgb = {}};
  // An animation's canvas too: its decoder begins with memory for two of them.
  require_size_within("WebP", image.width, image.height, limits);
  if (features.has_animation != 0) {
    read_first_frame(bytes, image);
    return image;
  }

  const bool alpha = features.has_alpha != 0;
  const size_t row_bytes = static_cast<size_t>(image.width) * (alpha ? 4 : 3);
  image.rgb.resize(row_bytes * static_cast<size_t>(image.height));
  const auto stride = static_cast<int>(row_bytes);
  const uint8_t* decoded =
      alpha ? WebPDecodeRGBAInto(data, bytes.size(), image.rgb.data(), image.rgb.size(), stride)
            : WebPDecodeRGBInto(data, bytes.size(), image.rgb.data(), image.rgb.size(), stride);
  if (decoded == nullptr) refuse_image("WebP", "its pixels are broken or cut short");
  if (alpha) image.rgb = laid_on_white(image.rgb);
  return image;
}

}  // namespace pagoda
