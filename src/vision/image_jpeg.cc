// JPEG through libjpeg-turbo: baseline, progressive, grey, CMYK. Its lossless processes (SOF3) are
// refused, as by PIL.
//
// A progressive file may go over all its pixels with every few bytes of it, so its scans are
// counted, and whoever waits is asked between the rows whether it goes on.

// jpeglib.h needs FILE and size_t, which it does not include: the order matters.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <string_view>

#include "vision/image_codecs.h"

namespace pagoda {
namespace {

// Encoders write about ten.
constexpr int kMostScans = 64;
constexpr std::string_view kTooManyScans =
    "it has more than 64 scans; save it anew, best as a baseline JPEG";

struct Failure {
  jpeg_error_mgr manager;  // first: libjpeg hands out a pointer to it
  std::jmp_buf jump;
  char reason[JMSG_LENGTH_MAX];
  bool ends_too_early;
};

void on_error(j_common_ptr info) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  info->err->format_message(info, failure->reason);
  std::longjmp(failure->jump, 1);
}

void on_message(j_common_ptr info, int level) {
  // A warning: what is missing was filled in. PIL tolerates all but the end of the file.
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) {
    reinterpret_cast<Failure*>(info->err)->ends_too_early = true;
  }
}

[[noreturn]] void give_up(j_common_ptr info, std::string_view reason) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  failure->reason[reason.copy(failure->reason, sizeof failure->reason - 1)] = '\0';
  std::longjmp(failure->jump, 1);
}

struct Progress {
  jpeg_progress_mgr manager;  // first: libjpeg hands out a pointer to it
  const ImageLimits* limits;
};

void on_progress(j_common_ptr info) {
  const auto* progress = reinterpret_cast<Progress*>(info->progress);
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans) {
    give_up(info, kTooManyScans);
  }
  const auto& is_given_up = progress->limits->is_given_up;
  if (is_given_up && is_given_up()) {
    give_up(info, "it takes too long to decode; send a smaller one or a baseline JPEG");
  }
}

// Owns what libjpeg allocates. The functions below jump out of C code: nothing in them may need a
// destructor.
struct Decoder {
  jpeg_decompress_struct info{};
  Failure failure{};
  Progress progress;

  explicit Decoder(const ImageLimits& limits) : progress{.manager = {}, .limits = &limits} {
    progress.manager.progress_monitor = on_progress;
    info.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = on_error;
    failure.manager.emit_message = on_message;
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&info); }

  bool read_header(ImageBytes bytes) {
    if (setjmp(failure.jump) != 0) return false;
    jpeg_create_decompress(&info);
    info.progress = &progress.manager;
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info, TRUE);
    const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    return true;
  }

  // pixels u8 [height, width, 3 or 4].
  bool read_pixels(uint8_t* pixels, size_t row_bytes) {
    if (setjmp(failure.jump) != 0) return false;
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + info.output_scanline * row_bytes;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    return true;
  }
};

uint32_t scaled(uint32_t a, uint32_t b) {  // a * b / 255, rounded
  const uint32_t product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

// Adobe's files hold inks inverted: 255 is no ink.
std::vector<uint8_t> rgb_of_inks(const std::vector<uint8_t>& inks, bool inverted) {
  std::vector<uint8_t> rgb(inks.size() / 4 * 3);
  const auto ink = [&](size_t i) { return inverted ? 255u - inks[i] : uint32_t{inks[i]}; };
  for (size_t i = 0, o = 0; i < inks.size(); i += 4, o += 3) {
    const uint32_t light = 255 - ink(i + 3);
    for (size_t c = 0; c < 3; ++c) {
      rgb[o + c] = static_cast<uint8_t>(light - scaled(ink(i + c), light));
    }
  }
  return rgb;
}

}  // namespace

Image decode_jpeg(ImageBytes bytes, const ImageLimits& limits) {
  Decoder decoder(limits);
  if (!decoder.read_header(bytes)) refuse_image("JPEG", decoder.failure.reason);
  const jpeg_decompress_struct& info = decoder.info;
  Image image{.width = info.image_width, .height = info.image_height, .rgb = {}};
  require_size_within("JPEG", image.width, image.height, limits);

  const size_t channels = info.out_color_space == JCS_CMYK ? 4 : 3;
  const size_t row_bytes = static_cast<size_t>(image.width) * channels;
  image.rgb.resize(row_bytes * static_cast<size_t>(image.height));
  if (!decoder.read_pixels(image.rgb.data(), row_bytes)) {
    refuse_image("JPEG", decoder.failure.reason);
  }
  if (decoder.failure.ends_too_early) refuse_image("JPEG", "it ends too early (truncated?)");
  if (channels == 4) image.rgb = rgb_of_inks(image.rgb, info.saw_Adobe_marker != 0);
  return image;
}

}  // namespace pagoda
