// A picture as Qwen2-VL and Qwen2.5-VL read it: resized to whole merged patches, normalized, cut
// into patches. Follows transformers' Qwen2VLImageProcessor (the PIL one) number by number.
//
// Thread rule: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "vision/image.h"

namespace pagoda {

// preprocessor_config.json; a request may change the two bounds (mm_processor_kwargs).
struct QwenVlImageConfig {
  int64_t min_pixels = 3136;
  int64_t max_pixels = 12845056;
  int64_t patch_size = 14;
  int64_t temporal_patch_size = 2;
  int64_t merge_size = 2;
  std::array<float, 3> mean = {0.48145466f, 0.4578275f, 0.40821073f};
  std::array<float, 3> deviation = {0.26862954f, 0.26130258f, 0.27577711f};
};

// In patches, before merging: frames, rows, columns.
struct PatchGrid {
  int64_t t = 1, h = 0, w = 0;
  int64_t patches() const { return t * h * w; }
};

struct QwenVlImage {
  PatchGrid grid;
  // f32 [patches, 3 * temporal_patch_size * patch_size * patch_size], patches of one merged patch
  // next to each other.
  std::vector<float> pixels;
};

// The size in pixels that a picture is resized to: multiples of patch_size * merge_size, the area
// between the bounds. Throws kRequest where one side is over 200 times the other.
struct PixelSize {
  int64_t width, height;
};
PixelSize resized_size(int64_t width, int64_t height, const QwenVlImageConfig& config);

QwenVlImage qwen_vl_input(const Image& image, const QwenVlImageConfig& config);

}  // namespace pagoda
