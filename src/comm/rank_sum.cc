#include "comm/rank_sum.h"

#include <algorithm>
#include <cstring>

#include "base/must.h"

namespace pagoda {
namespace {

// The sums of so many elements stay in the first-level cache until all ranks have them.
constexpr int64_t kElementsAtOnce = 1024;

// Loops that the compiler turns into vectors of whatever instruction set the caller is made for.
// Sums are the same bits in each: nothing but additions in one order, and rounding by integers.
template <class Float>
[[gnu::always_inline]] inline void sum_piece(std::span<const Tensor> tensors, int64_t first,
                                             int64_t count) {
  alignas(64) float sums[kElementsAtOnce];
  const auto* values = tensors[0].as<Float>() + first;
  const auto* second = tensors[1].as<Float>() + first;
  for (int64_t i = 0; i < count; ++i) sums[i] = to_float(values[i]) + to_float(second[i]);
  for (const Tensor& tensor : tensors.subspan(2)) {
    values = tensor.as<Float>() + first;
    for (int64_t i = 0; i < count; ++i) sums[i] += to_float(values[i]);
  }
  alignas(64) Float rounded[kElementsAtOnce];
  for (int64_t i = 0; i < count; ++i) rounded[i] = from_float<Float>(sums[i]);
  for (const Tensor& tensor : tensors) {
    std::memcpy(tensor.as<Float>() + first, rounded, static_cast<size_t>(count) * sizeof(Float));
  }
}

[[gnu::always_inline]] inline void sum_all(std::span<const Tensor> tensors, int64_t first,
                                           int64_t end) {
  for (; first < end; first += kElementsAtOnce) {
    const int64_t count = std::min(kElementsAtOnce, end - first);
    switch (tensors[0].dtype) {
      case DType::kF32: sum_piece<float>(tensors, first, count); break;
      case DType::kBF16: sum_piece<BFloat16>(tensors, first, count); break;
      case DType::kF16: sum_piece<Float16>(tensors, first, count); break;
      case DType::kI32:
      case DType::kU8: MUST(false);  // only floats are added up
    }
  }
}

#if defined(__x86_64__)
[[gnu::target("avx512f,avx512bw,avx512vl")]] void sum_avx512(std::span<const Tensor> tensors,
                                                             int64_t first, int64_t end) {
  sum_all(tensors, first, end);
}
[[gnu::target("avx2")]] void sum_avx2(std::span<const Tensor> tensors, int64_t first, int64_t end) {
  sum_all(tensors, first, end);
}
#endif

}  // namespace

void sum_in_order(std::span<const Tensor> tensors, int64_t first, int64_t end) {
  if (tensors.size() < 2) return;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bw") != 0) {
    return sum_avx512(tensors, first, end);
  }
  if (__builtin_cpu_supports("avx2") != 0) return sum_avx2(tensors, first, end);
#endif
  sum_all(tensors, first, end);
}

}  // namespace pagoda
