// The inner step of every product: a tile of rows times some vectors of weights, sums in registers.
#pragma once

#include "backends/cpu/simd.h"

namespace pagoda::cpu {
namespace {

template <int kRows, int kVectors>
using Tile = V[kRows][kVectors];

// sums[r][v] += x[r * stride] * weight(v). What is fewer is kept in registers, the other is loaded
// one at a time; left to itself the compiler holds too much and spills sums.
template <int kRows, int kVectors, class Weight>
inline void multiply_add(Tile<kRows, kVectors>& sums, Weight weight, const float* x,
                         int64_t stride = 1) {
  if constexpr (kRows > kVectors) {
    V weights[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) weights[v] = weight(v);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const V factor = splat(x[r * stride]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = fused_multiply_add(factor, weights[v], sums[r][v]);
      }
    }
  } else {
    V factors[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) factors[r] = splat(x[r * stride]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const V w = weight(v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) sums[r][v] = fused_multiply_add(factors[r], w, sums[r][v]);
    }
  }
}

template <int kRows, int kVectors>
inline void load_tile(Tile<kRows, kVectors>& sums, const float* from, int64_t stride) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[r][v] = load(from + r * stride + v * kLanes);
  }
}

template <int kRows, int kVectors>
inline void store_tile(float* to, const Tile<kRows, kVectors>& sums, int64_t stride) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store(to + r * stride + v * kLanes, sums[r][v]);
  }
}

}  // namespace
}  // namespace pagoda::cpu
