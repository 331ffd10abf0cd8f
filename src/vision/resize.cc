#include "vision/resize.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pagoda {
namespace {

// Pillow, src/libImaging/Resample.c: weights are fixed-point numbers with 22 bits behind the point,
// which leaves 8 bits for the pixel and 2 for the overshoot of the cubic.
constexpr int kFractionBits = 32 - 8 - 2;
constexpr double kSupport = 2.0;  // of the cubic, in source pixels when not shrinking

// Keys's cubic convolution (IEEE TASSP 29, 1981), a = -0.5.
double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

// What one output pixel is made of: source pixels [first, first + weights).
struct Window {
  int64_t first;
  std::vector<int32_t> weights;
};

std::vector<Window> windows_of(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double widened = std::max(scale, 1.0), support = kSupport * widened;
  std::vector<Window> windows;
  windows.reserve(static_cast<size_t>(out));
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first =
        std::max<int64_t>(static_cast<int64_t>(std::floor(center - support + 0.5)), 0);
    const int64_t last = std::min(static_cast<int64_t>(std::floor(center + support + 0.5)), in);
    std::vector<double> exact;
    double sum = 0.0;
    for (int64_t x = first; x < last; ++x) {
      exact.push_back(cubic((static_cast<double>(x) - center + 0.5) * (1.0 / widened)));
      sum += exact.back();
    }
    Window window{.first = first, .weights = {}};
    for (const double w : exact) {
      const double fixed = w / sum * (1 << kFractionBits);
      window.weights.push_back(static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
    windows.push_back(std::move(window));
  }
  return windows;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

// One channel of neighboring pixels.
uint8_t weighted(const uint8_t* from, const Window& window) {
  int32_t sum = 1 << (kFractionBits - 1);
  for (size_t k = 0; k < window.weights.size(); ++k) sum += from[k * 3] * window.weights[k];
  return rounded(sum);
}

// A dimension that stays is not touched.
Image resize_width(const Image& in, int64_t width) {
  if (width == in.width) return in;
  Image out{.width = width, .height = in.height, .rgb = {}};
  out.rgb.resize(static_cast<size_t>(width * in.height * 3));
  const std::vector<Window> windows = windows_of(in.width, width);
  uint8_t* to = out.rgb.data();
  for (int64_t y = 0; y < in.height; ++y) {
    for (const Window& window : windows) {
      const uint8_t* from = in.rgb.data() + (y * in.width + window.first) * 3;
      for (size_t c = 0; c < 3; ++c) *to++ = weighted(from + c, window);
    }
  }
  return out;
}

Image resize_height(const Image& in, int64_t height) {
  if (height == in.height) return in;
  Image out{.width = in.width, .height = height, .rgb = {}};
  const int64_t row = in.width * 3;
  out.rgb.resize(static_cast<size_t>(row * height));
  const std::vector<Window> windows = windows_of(in.height, height);
  std::vector<int32_t> sums(static_cast<size_t>(row));
  for (int64_t y = 0; y < height; ++y) {
    const Window& window = windows[static_cast<size_t>(y)];
    std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
    for (size_t k = 0; k < window.weights.size(); ++k) {
      const uint8_t* from = in.rgb.data() + (window.first + static_cast<int64_t>(k)) * row;
      for (size_t x = 0; x < sums.size(); ++x) sums[x] += from[x] * window.weights[k];
    }
    uint8_t* to = out.rgb.data() + y * row;
    for (size_t x = 0; x < sums.size(); ++x) to[x] = rounded(sums[x]);
  }
  return out;
}

}  // namespace

Image resize_bicubic(const Image& image, int64_t width, int64_t height) {
  // Pillow's order, which rounding in between makes visible by one level here and there: width
  // first, but height first where only the height shrinks. (Pillow 13 also goes height first for
  // some pictures that shrink both ways; Pillow 11 always width first.)
  const bool height_first = height < image.height && width > image.width;
  const Image first = height_first ? resize_height(image, height) : resize_width(image, width);
  return height_first ? resize_width(first, width) : resize_height(first, height);
}

}  // namespace pagoda
