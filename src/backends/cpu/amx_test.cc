// The tiling of the AMX kernels over a plain emulation of the tile instructions, which runs on
// every machine.
#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "backends/cpu/amx_kernels.h"
#include "backends/cpu/test_support.h"
#include "base/must.h"

namespace pagoda::cpu {
namespace {

// Intel SDM, volume 2, TILELOADD, TILESTORED, TDPBF16PS; refuses what the unit would fault on.
class EmulatedUnit {
 public:
  void configure(int64_t low_rows, int64_t high_rows) {
    MUST(low_rows > 0 && low_rows <= 16 && high_rows >= 0 && high_rows <= 16);
    rows_ = {low_rows, low_rows, high_rows, high_rows, low_rows, high_rows, 16, 16};
    tiles_ = {};
  }

  template <AmxTile kTile>
  void load(const void* from, int64_t stride) {
    MUST(rows_[kTile] > 0);
    tiles_[kTile] = {};
    for (int64_t r = 0; r < rows_[kTile]; ++r) {
      std::memcpy(&tiles_[kTile][static_cast<size_t>(r)],
                  static_cast<const std::byte*>(from) + r * stride, 64);
    }
  }
  template <AmxTile kTile>
  void store(void* to, int64_t stride) {
    MUST(rows_[kTile] > 0);
    for (int64_t r = 0; r < rows_[kTile]; ++r) {
      std::memcpy(static_cast<std::byte*>(to) + r * stride, &tiles_[kTile][static_cast<size_t>(r)],
                  64);
    }
  }
  template <AmxTile kSum, AmxTile kRows, AmxTile kWeights>
  void multiply() {
    MUST(rows_[kSum] == rows_[kRows] && rows_[kSum] > 0);
    for (size_t i = 0; i < static_cast<size_t>(rows_[kSum]) * 16; ++i) {
      const size_t m = i / 16, n = i % 16;
      float sum = std::bit_cast<float>(tiles_[kSum][m][n]);
      for (size_t k = 0; k < 16; ++k) {
        const uint32_t x = tiles_[kRows][m][k], w = tiles_[kWeights][k][n];
        sum = std::fma(low(x), low(w), sum);
        sum = std::fma(high(x), high(w), sum);
      }
      tiles_[kSum][m][n] = std::bit_cast<uint32_t>(sum);
    }
  }

 private:
  static float low(uint32_t pair) { return std::bit_cast<float>(pair << 16); }
  static float high(uint32_t pair) { return std::bit_cast<float>(pair & 0xFFFF0000u); }

  std::array<int64_t, 8> rows_ = {};
  std::array<std::array<std::array<uint32_t, 16>, 16>, 8> tiles_ = {};
};

const Kernels& emulated_kernels() {
  static const Kernels kernels = [] {
    Kernels k = portable_kernels();
    k.matmul[static_cast<size_t>(WeightLayout::kBF16Pairs)] = amx_matmul_kernels<EmulatedUnit>();
    return k;
  }();
  return kernels;
}
constexpr Family kEmulated = {"emulated amx", &emulated_kernels, [] { return true; }};

// In double, for one output.
double expected(const Array& x, const Array& weights, int64_t row, int64_t output) {
  const int64_t in = x.view().dim(1);
  double sum = 0;
  for (int64_t k = 0; k < in; ++k) {
    sum += double{x.at(row * in + k)} * weights.at(output * in + k);
  }
  return sum;
}

}  // namespace

TEST_CASE("AMX tiles cover every number of rows, depth and outputs") {
  const auto device = open(kEmulated, 2);
  struct Shape {
    int64_t rows, in, out;
  };
  for (const Shape& s :
       {Shape{1, 1, 1}, Shape{3, 32, 16}, Shape{16, 33, 32}, Shape{17, 64, 33}, Shape{31, 70, 40},
        Shape{32, 40, 64}, Shape{33, 1100, 65}, Shape{200, 2100, 20}}) {
    CAPTURE(str(s.rows, " x ", s.in, " x ", s.out));
    const Array x = random_array({s.rows, s.in}, DType::kBF16, 1);
    const Array weights = random_array({s.out, s.in}, DType::kBF16, 2);
    const Array out({s.rows, s.out}, DType::kF32);
    device->ops().matmul(out, x, *pack(*device, weights, DType::kBF16), {});
    double worst = 0;
    for (int64_t i = 0; i < s.rows * s.out; ++i) {
      worst = std::max(worst, std::abs(out.at(i) - expected(x, weights, i / s.out, i % s.out)));
    }
    CHECK(worst < 1e-6 * static_cast<double>(s.in) + 1e-6);
  }
}

TEST_CASE("with AMX a row is the same bits for any number of rows and threads") {
  constexpr int64_t kRows = 230, kIn = 1090, kOut = 70;
  const Array x = random_array({kRows, kIn}, DType::kBF16, 1);
  const Array weights = random_array({kOut, kIn}, DType::kBF16, 2);
  const Array all({kRows, kOut}, DType::kF32);
  const auto three = open(kEmulated, 3), one = open(kEmulated, 1);
  three->ops().matmul(all, x, *pack(*three, weights, DType::kBF16), {});
  const auto matrix = pack(*one, weights, DType::kBF16);
  for (const int64_t rows : {1, 2, 15, 16, 17, 32, 33, 64, 100}) {
    const Array some({rows, kOut}, DType::kF32);
    one->ops().matmul(some, rows_of(x, rows, rows), *matrix, {});
    CHECK(same_rows(some, all, rows));
  }
}

}  // namespace pagoda::cpu
