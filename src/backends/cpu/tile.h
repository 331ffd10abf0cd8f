// The inner step of every product: a tile of rows times some vectors of weights, sums in registers.
#pragma once

#include "backends/cpu/simd.h"

namespace pagoda::cpu {
namespace {

#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif
// Rows of the tallest tile: with two vectors (AVX-512, AVX2) or four (NEON, portable) beside them.
#if defined(__AVX512F__)
constexpr int kTileRows = 12;
#elif defined(__AVX2__) || defined(__ARM_NEON)
constexpr int kTileRows = 6;
#else
constexpr int kTileRows = 2;
#endif

// Vectors of a tile of so many rows: the largest power of two times `unit`, up to `most`, for which
// the sums, the smaller side and two more fit into the registers.
constexpr int tile_vectors(int rows, int unit, int most) {
  int vectors = unit;
  while (2 * vectors <= most) {
    const int smaller_side = rows < 2 * vectors ? rows : 2 * vectors;
    if (rows * 2 * vectors + smaller_side + 2 > kRegisters) break;
    vectors *= 2;
  }
  return vectors;
}

template <int kRows, int kVectors>
using Tile = V[kRows][kVectors];

// sums[r][v] += x[r * stride] * weight(v). What is fewer is kept in registers, the other is loaded
// one at a time; left to itself the compiler holds too much and spills sums.
template <int kRows, int kVectors, class Weight>
// NOLINTNEXTLINE(readability-function-size): two orders of two loops
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
