// Image files made by tests, the broken ones too: PNG and WebP chunk by chunk, JPEG scan by scan.
#pragma once

// jpeglib.h needs FILE and size_t, which it does not include: the order matters.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
// clang-format on
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace pagoda {

constexpr std::string_view kPngSignature("\x89PNG\r\n\x1A\n");

inline std::string big_endian(uint32_t number) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xFF);
  return out;
}

inline std::string little_endian(uint32_t number, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xFF);
  return out;
}

inline std::string png_chunk(const std::string& name, const std::string& data) {
  const std::string checked = name + data;
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + checked +
         big_endian(static_cast<uint32_t>(sum));
}

// 8 bits of grey a pixel.
inline std::string png_begin(uint32_t width, uint32_t height) {
  const std::string header =
      big_endian(width) + big_endian(height) + std::string("\x08\0\0\0\0", 5);
  return std::string(kPngSignature) + png_chunk("IHDR", header);
}

// The pixels, all black, and the end.
inline std::string png_end(uint32_t width, uint32_t height) {
  const std::string rows((size_t{width} + 1) * height, '\0');
  std::string packed(compressBound(rows.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(size);
  return png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

// An animated WebP's first chunk, and nothing behind it.
inline std::string webp_canvas(uint32_t width, uint32_t height) {
  constexpr uint32_t kAnimated = 2;
  const std::string chunk = "VP8X" + little_endian(10, 4) + little_endian(kAnimated, 4) +
                            little_endian(width - 1, 3) + little_endian(height - 1, 3);
  return "RIFF" + little_endian(static_cast<uint32_t>(chunk.size() + 4), 4) + "WEBP" + chunk;
}

// A grey progressive JPEG of these sides, all of one level; its last scan comes `repeats` times.
inline std::string progressive_jpeg(uint32_t side, int repeats) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = info.image_height = side;
  info.input_components = 1;
  info.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::string row(side, '\x80');
  auto* pixels = reinterpret_cast<JSAMPROW>(row.data());
  while (info.next_scanline < side) jpeg_write_scanlines(&info, &pixels, 1);
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);  // NOLINT(cppcoreguidelines-owning-memory): libjpeg made it by malloc()

  const size_t last_scan = file.rfind("\xFF\xDA"), end = file.size() - 2;
  const std::string scan = file.substr(last_scan, end - last_scan);
  for (int i = 1; i < repeats; ++i) file.insert(end, scan);
  return file;
}

}  // namespace pagoda
