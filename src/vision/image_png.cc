// PNG through libpng: every colour type and depth; 16 bits are cut to the upper 8.
//
// Memory is that of the pixels and a few rows: libpng would take as much for a text, a profile or a
// palette as the file says that it has, so lengths are checked first and such chunks skipped.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>

#include "vision/image_codecs.h"

namespace pagoda {
namespace {

constexpr const char* kTruncated = "it ends too early (truncated?)";

struct Source {
  ImageBytes bytes;
  size_t at = 0;
  char reason[256] = "";
};

void on_error(png_structp png, png_const_charp reason) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->reason, reason, sizeof source->reason - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->bytes.size() - source->at) png_error(png, kTruncated);
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
}

uint32_t big_endian(ImageBytes four) {
  uint32_t value = 0;
  for (const std::byte byte : four) value = value << 8 | std::to_integer<uint32_t>(byte);
  return value;
}

// Every chunk up to the end of the picture lies within the file: length, name, data, checksum.
bool has_all_its_chunks(ImageBytes bytes) {
  constexpr size_t kSignatureBytes = 8, kNameBytes = 4, kFrameBytes = 12;
  constexpr uint32_t kEnd = 0x49454E44;  // IEND
  ImageBytes left = bytes.subspan(kSignatureBytes);
  while (left.size() >= kFrameBytes) {
    const uint32_t length = big_endian(left.first(4));
    const uint32_t name = big_endian(left.subspan(4, kNameBytes));
    if (length > left.size() - kFrameBytes) return false;
    if (name == kEnd) return true;
    left = left.subspan(kFrameBytes + length);
  }
  return false;
}

// The functions below jump out of C code: nothing in them may need a destructor.
struct Decoder {
  Source source;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Decoder(ImageBytes bytes) : source{.bytes = bytes} {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
    info = png == nullptr ? nullptr : png_create_info_struct(png);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }

  bool read_header() {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    png_set_read_fn(png, &source, read_bytes);
    png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);  // ours is on pixels
    // -1: all that are no pixels, known (texts, profiles, EXIF) or not.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png, info);
    return true;
  }

  // To RGB, or RGBA where the file is exactly that; any other transparency is dropped.
  bool set_output() {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    const int color = png_get_color_type(png, info);
    png_set_strip_16(png);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    if ((color & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
    if (color != PNG_COLOR_TYPE_RGB_ALPHA) png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return true;
  }

  bool read_rows(png_bytep* rows) {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    png_read_image(png, rows);
    png_read_end(png, nullptr);
    return true;
  }
};

}  // namespace

Image decode_png(ImageBytes bytes, const ImageLimits& limits) {
  if (!has_all_its_chunks(bytes)) refuse_image("PNG", kTruncated);
  Decoder decoder(bytes);
  if (decoder.info == nullptr) refuse_image("PNG", "no memory for its decoder");
  if (!decoder.read_header()) refuse_image("PNG", decoder.source.reason);
  Image image{.width = png_get_image_width(decoder.png, decoder.info),
              .height = png_get_image_height(decoder.png, decoder.info),
              .rgb = {}};
  require_size_within("PNG", image.width, image.height, limits);
  if (!decoder.set_output()) refuse_image("PNG", decoder.source.reason);

  const size_t row_bytes = png_get_rowbytes(decoder.png, decoder.info);
  image.rgb.resize(row_bytes * static_cast<size_t>(image.height));
  std::vector<png_bytep> rows(static_cast<size_t>(image.height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.rgb.data() + y * row_bytes;
  if (!decoder.read_rows(rows.data())) refuse_image("PNG", decoder.source.reason);
  if (row_bytes == static_cast<size_t>(image.width) * 4) image.rgb = laid_on_white(image.rgb);
  return image;
}

}  // namespace pagoda
