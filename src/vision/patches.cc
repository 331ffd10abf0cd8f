#include "vision/patches.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"
#include "vision/resize.h"

namespace pagoda {
namespace {

constexpr int64_t kMaxSideRatio = 200;

// Python's round(): half to even.
int64_t rounded_to(double x, int64_t factor) {
  return static_cast<int64_t>(std::nearbyint(x / static_cast<double>(factor))) * factor;
}

struct PatchPlace {
  int64_t row, column;
};

// One channel of a patch, [patch_size, patch_size].
void append_plane(std::vector<float>& pixels, const Image& image, const PatchConfig& config,
                  PatchPlace place, size_t channel) {
  const int64_t patch = config.patch_size;
  for (int64_t y = 0; y < patch; ++y) {
    const int64_t first = ((place.row * patch + y) * image.width + place.column * patch) * 3;
    for (int64_t x = 0; x < patch; ++x) {
      const uint8_t value = image.rgb[static_cast<size_t>(first + x * 3) + channel];
      const auto level = static_cast<float>(value * (1.0 / 255.0));
      pixels.push_back((level - config.mean[channel]) / config.deviation[channel]);
    }
  }
}

// A still picture is temporal_patch_size equal frames.
void append_patch(std::vector<float>& pixels, const Image& image, const PatchConfig& config,
                  PatchPlace place) {
  for (size_t channel = 0; channel < 3; ++channel) {
    for (int64_t frame = 0; frame < config.temporal_patch_size; ++frame) {
      append_plane(pixels, image, config, place, channel);
    }
  }
}

}  // namespace

PixelSize resized_size(int64_t width, int64_t height, const PatchConfig& config) {
  const int64_t factor = config.patch_size * config.merge_size;
  const int64_t longer = std::max(width, height), shorter = std::min(width, height);
  if (longer > kMaxSideRatio * shorter) {
    throw Error(ErrorKind::kRequest,
                str("image: absolute aspect ratio must be smaller than ", kMaxSideRatio, ", got ",
                    width, " x ", height, " pixels; crop it"));
  }
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  // A side that rounds to nothing leaves no area, so that both sides grow.
  PixelSize size = {rounded_to(w, factor), rounded_to(h, factor)};
  const auto step = static_cast<double>(factor);
  if (size.width * size.height > config.max_pixels) {
    const double beta = std::sqrt(h * w / static_cast<double>(config.max_pixels));
    size.height = std::max(factor, static_cast<int64_t>(std::floor(h / beta / step)) * factor);
    size.width = std::max(factor, static_cast<int64_t>(std::floor(w / beta / step)) * factor);
  } else if (size.width * size.height < config.min_pixels) {
    const double beta = std::sqrt(static_cast<double>(config.min_pixels) / (h * w));
    size.height = static_cast<int64_t>(std::ceil(h * beta / step)) * factor;
    size.width = static_cast<int64_t>(std::ceil(w * beta / step)) * factor;
  }
  return size;
}

Image resized_for_patches(const Image& image, const PatchConfig& config) {
  const PixelSize size = resized_size(image.width, image.height, config);
  return resize_bicubic(image, size.width, size.height);
}

PatchGrid grid_of(const Image& resized, const PatchConfig& config) {
  return {1, resized.height / config.patch_size, resized.width / config.patch_size};
}

int64_t patch_numbers(const PatchConfig& config) {
  return 3 * config.temporal_patch_size * config.patch_size * config.patch_size;
}

void append_merged_patch(std::vector<float>& pixels, const Image& resized,
                         const PatchConfig& config, int64_t group) {
  const int64_t merge = config.merge_size;
  const int64_t groups_a_row = grid_of(resized, config).w / merge;
  const int64_t row = group / groups_a_row * merge, column = group % groups_a_row * merge;
  for (int64_t i = 0; i < merge * merge; ++i) {
    append_patch(pixels, resized, config, {row + i / merge, column + i % merge});
  }
}

}  // namespace pagoda
