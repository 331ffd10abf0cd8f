// GIF through giflib: the first frame, on its canvas.
#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "vision/image_codecs.h"

namespace pagoda {
namespace {

struct Source {
  ImageBytes bytes;
  size_t at = 0;
};

int read_bytes(GifFileType* gif, GifByteType* out, int count) {
  auto* source = static_cast<Source*>(gif->UserData);
  const size_t left = source->bytes.size() - source->at;
  const size_t n = std::min(left, static_cast<size_t>(count));
  std::memcpy(out, source->bytes.data() + source->at, n);
  source->at += n;
  return static_cast<int>(n);
}

struct CloseGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, CloseGif>;

[[noreturn]] void refuse_gif(int code) {
  const char* reason = GifErrorString(code);
  refuse_image("GIF", reason == nullptr ? "it ends too early (truncated?)" : reason);
}

// Moves on to the description of the first frame.
void find_first_frame(GifFileType* gif) {
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &type) == GIF_ERROR) refuse_gif(gif->Error);
    if (type == TERMINATE_RECORD_TYPE) refuse_image("GIF", "it has no frame");
    if (type == IMAGE_DESC_RECORD_TYPE) {
      if (DGifGetImageDesc(gif) == GIF_ERROR) refuse_gif(gif->Error);
      return;
    }
    int code = 0;
    GifByteType* extension = nullptr;
    if (DGifGetExtension(gif, &code, &extension) == GIF_ERROR) refuse_gif(gif->Error);
    while (extension != nullptr) {
      if (DGifGetExtensionNext(gif, &extension) == GIF_ERROR) refuse_gif(gif->Error);
    }
  }
}

void put_color(Image& image, int64_t x, int64_t y, const ColorMapObject& colors, int index) {
  if (x < 0 || x >= image.width || y < 0 || y >= image.height) return;
  const GifColorType color =
      index < colors.ColorCount ? colors.Colors[index] : GifColorType{0, 0, 0};
  uint8_t* pixel = image.rgb.data() + (y * image.width + x) * 3;
  pixel[0] = color.Red;
  pixel[1] = color.Green;
  pixel[2] = color.Blue;
}

void fill(Image& image, const ColorMapObject& colors, int index) {
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) put_color(image, x, y, colors, index);
  }
}

void read_frame(GifFileType* gif, const ColorMapObject& colors, Image& image) {
  const GifImageDesc& frame = gif->Image;
  std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
  const auto read_line = [&](int row) {
    if (DGifGetLine(gif, line.data(), frame.Width) == GIF_ERROR) refuse_gif(gif->Error);
    for (int x = 0; x < frame.Width; ++x) {
      put_color(image, frame.Left + x, frame.Top + row, colors, line[static_cast<size_t>(x)]);
    }
  };
  if (!frame.Interlace) {
    for (int row = 0; row < frame.Height; ++row) read_line(row);
    return;
  }
  constexpr int kFirst[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
  for (int pass = 0; pass < 4; ++pass) {
    for (int row = kFirst[pass]; row < frame.Height; row += kStep[pass]) read_line(row);
  }
}

}  // namespace

Image decode_gif(ImageBytes bytes, const ImageLimits& limits) {
  Source source{.bytes = bytes};
  int code = 0;
  const Gif gif(DGifOpen(&source, read_bytes, &code));
  if (gif == nullptr) refuse_gif(code);
  find_first_frame(gif.get());
  Image image{.width = gif->SWidth, .height = gif->SHeight, .rgb = {}};
  require_size_within("GIF", image.width, image.height, limits);
  // A frame may well be a strip of the canvas.
  require_size_within("GIF", gif->Image.Width, gif->Image.Height,
                      {.max_pixels = limits.max_pixels});
  const ColorMapObject* colors =
      gif->Image.ColorMap != nullptr ? gif->Image.ColorMap : gif->SColorMap;
  if (colors == nullptr) refuse_image("GIF", "it has no colours");

  image.rgb.resize(static_cast<size_t>(image.width * image.height * 3));
  if (gif->SColorMap != nullptr) fill(image, *gif->SColorMap, gif->SBackGroundColor);
  read_frame(gif.get(), *colors, image);
  return image;
}

}  // namespace pagoda
