#include "comm/rank_sum.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace pagoda {
namespace {

// Numbers of all sizes, and now and then an infinity or a NaN.
float number(uint64_t index) {
  const double unit = uniform_from(7, index);
  if (index % 97 == 13) return INFINITY;
  if (index % 101 == 17) return NAN;
  return static_cast<float>((unit - 0.5) * std::exp2(static_cast<double>(index % 40) - 30.0));
}

// The same bits, but for which NaN it is.
template <class Float>
bool is_same(Float a, Float b) {
  const float x = to_float(a), y = to_float(b);
  return std::isnan(x) ? std::isnan(y) : std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
}

template <class Float>
void check_sums(DType dtype) {
  constexpr int64_t kCount = 2500, kFirst = 3, kEnd = 2401;  // pieces and vectors do not divide it
  constexpr uint64_t kRanks = 3;
  std::vector<std::vector<Float>> values(kRanks);
  std::vector<Tensor> tensors;
  for (uint64_t rank = 0; rank < kRanks; ++rank) {
    for (uint64_t i = 0; i < kCount; ++i) {
      values[rank].push_back(from_float<Float>(number(rank * kCount + i)));
    }
    tensors.push_back(make_view(values[rank].data(), {kCount}, dtype));
  }
  const auto before = values;
  sum_in_order(tensors, kFirst, kEnd);
  int differences = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    float sum = to_float(before[0][i]);
    for (uint64_t rank = 1; rank < kRanks; ++rank) sum += to_float(before[rank][i]);
    const bool is_inside = i >= kFirst && i < kEnd;
    for (uint64_t rank = 0; rank < kRanks; ++rank) {
      const Float expected = is_inside ? from_float<Float>(sum) : before[rank][i];
      if (!is_same(expected, values[rank][i])) ++differences;
    }
  }
  CHECK(differences == 0);
}

TEST_CASE("vectors add up to the same bits as one number after the other, inside the range only") {
  check_sums<float>(DType::kF32);
  check_sums<BFloat16>(DType::kBF16);
  check_sums<Float16>(DType::kF16);
}

}  // namespace
}  // namespace pagoda
