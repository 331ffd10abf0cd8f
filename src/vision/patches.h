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
struct PatchConfig {
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
  // Image tokens of the prompt, where merge_size * merge_size patches become one.
  int64_t tokens(int64_t merge_size) const { return patches() / (merge_size * merge_size); }
};

// The size in pixels that a picture is resized to: multiples of patch_size * merge_size, the area
// between the bounds. Throws kRequest where one side is over 200 times the other.
struct PixelSize {
  int64_t width, height;
};
PixelSize resized_size(int64_t width, int64_t height, const PatchConfig& config);

// Resized to resized_size().
Image resized_for_patches(const Image& image, const PatchConfig& config);
// Of an image that is resized already.
PatchGrid grid_of(const Image& resized, const PatchConfig& config);

// Numbers of one patch: 3 * temporal_patch_size * patch_size * patch_size.
int64_t patch_numbers(const PatchConfig& config);
// Appends the patches of one merged patch, a row of patch_numbers() each, to `pixels`. `group` is
// the number of the merged patch, row by row of the picture.
void append_merged_patch(std::vector<float>& pixels, const Image& resized,
                         const PatchConfig& config, int64_t group);

}  // namespace pagoda
