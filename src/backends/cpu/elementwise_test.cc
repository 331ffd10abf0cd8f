// Norm, activation, rotary embedding and sums against the same formulas in double.
#include <doctest/doctest.h>

#include "backends/cpu/test_support.h"

namespace pagoda::cpu {
namespace {

// Half a unit in the last place of the stored number, and what floats lose on the way.
bool near(float got, double expected, DType dtype) {
  return std::abs(got - expected) <=
         0.51 * epsilon_of(dtype) * std::abs(expected) + 4e-6 * std::abs(expected) + 1e-6;
}

constexpr int64_t kWidths[] = {1, 3, 8, 16, 17, 64, 100, 128, 515};

void check_rms_norm(const Family& family, DType dtype, int64_t n) {
  CAPTURE(label(family, dtype, n));
  const auto device = open(family, 2);
  const Array x = random_array({5, n}, dtype, 1), gain = random_array({n}, DType::kF32, 2);
  const Array out({5, n}, dtype);
  device->ops().rms_norm(out, x, gain, 1e-6f);
  int wrong = 0;
  for (int64_t r = 0; r < 5; ++r) {
    double squares = 0;
    for (int64_t j = 0; j < n; ++j) squares += double{x.at(r * n + j)} * x.at(r * n + j);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-6);
    for (int64_t j = 0; j < n; ++j) {
      // Rounded twice: one unit instead of half.
      const double expected = x.at(r * n + j) * scale * gain.at(j);
      const double allowed = (1.1 * epsilon_of(dtype) + 4e-6) * std::abs(expected) + 1e-6;
      if (std::abs(out.at(r * n + j) - expected) > allowed) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

void check_fused_norm(const Family& family, DType dtype) {
  const auto device = open(family, 2);
  const Array a = random_array({7, 77}, dtype, 1), b = random_array({7, 77}, dtype, 1);
  const Array delta = random_array({7, 77}, dtype, 2), gain = random_array({77}, DType::kF32, 3);
  const Array fused({7, 77}, dtype), apart({7, 77}, dtype);
  device->ops().add_rms_norm(fused, a, delta, gain, 1e-5f);
  device->ops().Ops::add_rms_norm(apart, b, delta, gain, 1e-5f);
  CHECK(same_bits(a, b));
  CHECK(same_bits(fused, apart));
}

void check_silu_mul(const Family& family, DType dtype, int64_t n) {
  CAPTURE(label(family, dtype, n));
  const auto device = open(family, 2);
  Array gate_up = random_array({2, 2 * n}, dtype, 1);
  for (int64_t j = 0; j < n; ++j) {
    gate_up.set(j, static_cast<float>(j) * 200.0f / static_cast<float>(n) - 100.0f);
  }
  const Array out({2, n}, dtype);
  device->ops().gated_mul(out, gate_up, Activation::kSilu);
  int wrong = 0;
  for (int64_t i = 0; i < 2 * n; ++i) {
    const double gate = gate_up.at(i / n * 2 * n + i % n);
    const double up = gate_up.at(i / n * 2 * n + n + i % n);
    if (!near(out.at(i), gate / (1 + std::exp(-gate)) * up, dtype)) ++wrong;
  }
  CHECK(wrong == 0);
}

void check_rope(const Family& family, DType dtype, RotaryPairing pairing) {
  CAPTURE(label(family, dtype));
  constexpr int64_t kTokens = 3, kHeads = 2, kHeadDim = 50, kHalf = 21;
  const auto device = open(family, 2);
  const Array before = random_array({kTokens, kHeads, kHeadDim}, dtype, 1);
  const Array heads = random_array({kTokens, kHeads, kHeadDim}, dtype, 1);
  const Array cos = random_array({kTokens, kHalf}, DType::kF32, 2);
  const Array sin = random_array({kTokens, kHalf}, DType::kF32, 3);
  device->ops().rope(heads, {.cos = cos, .sin = sin}, pairing);
  const int64_t step = pairing == RotaryPairing::kHalves ? 1 : 2;
  const int64_t distance = pairing == RotaryPairing::kHalves ? kHalf : 1;
  int wrong = 0;
  for (int64_t row = 0; row < kTokens * kHeads; ++row) {
    for (int64_t i = 0; i < kHalf; ++i) {
      const int64_t a = row * kHeadDim + i * step, b = a + distance;
      const double c = cos.at(row / kHeads * kHalf + i), s = sin.at(row / kHeads * kHalf + i);
      if (!near(heads.at(a), before.at(a) * c - before.at(b) * s, dtype)) ++wrong;
      if (!near(heads.at(b), before.at(b) * c + before.at(a) * s, dtype)) ++wrong;
    }
    for (int64_t j = 2 * kHalf; j < kHeadDim; ++j) {
      if (heads.at(row * kHeadDim + j) != before.at(row * kHeadDim + j)) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("rms_norm divides by the root of the mean square") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) {
      for (const int64_t n : kWidths) check_rms_norm(*family, dtype, n);
    }
  }
}

TEST_CASE("add_rms_norm is add, then rms_norm of the rounded stream, to the bit") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) check_fused_norm(*family, dtype);
  }
}

TEST_CASE("silu_mul is right from -100 to 100, and for every width") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) {
      for (const int64_t n : kWidths) check_silu_mul(*family, dtype, n);
    }
  }
}

TEST_CASE("rope turns halves or neighbors and leaves the rest of a head alone") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) {
      check_rope(*family, dtype, RotaryPairing::kHalves);
      check_rope(*family, dtype, RotaryPairing::kNeighbors);
    }
  }
}

TEST_CASE("columns are copied, and joined without the padding") {
  const auto device = open(*families_here().front(), 2);
  const Array x = random_array({4, 10}, DType::kBF16, 1);
  const Array middle({4, 3}, DType::kBF16), joined({4, 5}, DType::kBF16);
  device->ops().copy_columns(middle, x, 6);
  CHECK(middle.at(2 * 3 + 1) == x.at(2 * 10 + 7));
  const Array parts = random_array({2, 4, 3}, DType::kBF16, 2);
  device->ops().join_columns(joined, parts);
  CHECK(joined.at(3 * 5 + 2) == parts.at(3 * 3 + 2));
  CHECK(joined.at(3 * 5 + 4) == parts.at(4 * 3 + 3 * 3 + 1));
}

TEST_CASE("rows are gathered and scattered") {
  const auto device = open(*families_here().front(), 2);
  const Array x = random_array({4, 10}, DType::kF16, 1);
  const Array out({2, 10}, DType::kF16), back({4, 10}, DType::kF16);
  device->ops().gather_rows(out, x, integers({3, 1}));
  CHECK(out.at(0) == x.at(30));
  CHECK(out.at(19) == x.at(19));
  device->ops().scatter_rows(back, out, integers({0, 2}));
  CHECK(back.at(9) == x.at(39));
  CHECK(back.at(20) == x.at(10));
}

}  // namespace pagoda::cpu
