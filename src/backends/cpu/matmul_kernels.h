// Products of a few rows with one packed panel of a matrix, without AMX.
//
//   out[r, o] = sum over k of x[r, k] * w[o, k]          x [rows, depth], w [32, depth], out f32
//
// Lanes are outputs: every output is one chain over k, so its bits do not depend on how many rows
// are multiplied at once. One row is bound by memory and reads the panel front to back. Many rows
// are bound by the multiply-add units: a tile of rows keeps its sums in registers, and the depth
// is cut into blocks so that a block of the panel stays in L1 while all tiles pass over it. Sums
// rest in `out` between blocks, which does not change them. Measure: bench/matmul.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/simd.h"

namespace pagoda::cpu {
namespace {

constexpr int64_t kPanelVectors = kPanelOutputs / kLanes;
// Sums of a tile must fit into the registers beside a weight and a number of x: 24 of 32 (AVX-512,
// NEON), 12 of 16 (AVX2), 8 of 16 (portable).
#if defined(__AVX512F__)
constexpr int kTileRows = 12;
#elif defined(__AVX2__) || defined(__ARM_NEON)
constexpr int kTileRows = 3;
#else
constexpr int kTileRows = 1;
#endif
// 16 KiB of bfloat16 panel, half of the smallest L1.
constexpr int64_t kBlockDepth = 256;
// How far ahead of one row's multiply-adds the panel is asked for. Hardware prefetchers stop at
// page borders.
constexpr int64_t kPrefetchBytes = 2048;

template <int kRows>
using Sums = V[kRows][kPanelVectors];

// float32 and float16 weights, x in float32.
template <class T>
struct Plain {
  using Weight = T;
  using Row = float;
  static constexpr int64_t kDepth = 1;  // of one step

  template <int kRows>
  static inline void step(Sums<kRows>& sums, const T* w, const float* x) {
#pragma GCC unroll 8
    for (int64_t v = 0; v < kPanelVectors; ++v) {
      const V weight = load(w + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sums[r][v] = fused_multiply_add(splat(x[r]), weight, sums[r][v]);
      }
    }
  }
};

// Pairs of bfloat16 weights are 32-bit words: the even one is the low half.
struct WidenedPairs {
  using Weight = Bf16;
  using Row = float;
  static constexpr int64_t kDepth = 2;

  template <int kRows>
  static inline void step(Sums<kRows>& sums, const Bf16* w, const float* x) {
#pragma GCC unroll 8
    for (int64_t v = 0; v < kPanelVectors; ++v) {
      VBits pairs;
      __builtin_memcpy(&pairs, w + v * kLanes * 2, sizeof pairs);
      const V even = reinterpret_cast<V>(pairs << 16);
      const V odd = reinterpret_cast<V>(pairs & 0xFFFF0000u);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sums[r][v] = fused_multiply_add(splat(x[r]), even, sums[r][v]);
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sums[r][v] = fused_multiply_add(splat(x[kRows + r]), odd, sums[r][v]);
      }
    }
  }
};

#if defined(__AVX512BF16__)
// The instruction multiplies pairs and adds both products; x is pairs, too.
struct DotPairs {
  using Weight = Bf16;
  using Row = Bf16;
  static constexpr int64_t kDepth = 2;

  template <int kRows>
  static inline void step(Sums<kRows>& sums, const Bf16* w, const Bf16* x) {
    const __m512bh low = (__m512bh)_mm512_loadu_si512(w);
    const __m512bh high = (__m512bh)_mm512_loadu_si512(w + 2 * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      __builtin_memcpy(&pair, x + 2 * r, sizeof pair);
      const __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], low, both);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], high, both);
    }
  }
};
#endif

// A tile of kRows rows and one block of the depth.
template <class Form, int kRows>
void multiply_tile(float* out, const typename Form::Row* x, const typename Form::Weight* w,
                   int64_t depth) {
  Sums<kRows> sums;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t v = 0; v < kPanelVectors; ++v) {
      sums[r][v] = load(out + r * kPanelOutputs + v * kLanes);
    }
  }
  for (int64_t k = 0; k < depth; k += Form::kDepth) {
    if constexpr (kRows == 1) {
      const char* ahead = reinterpret_cast<const char*>(w) + kPrefetchBytes;
      for (int64_t line = 0; line < kPanelOutputs * Form::kDepth * int64_t{sizeof *w}; line += 64) {
        __builtin_prefetch(ahead + line);
      }
    }
    Form::template step<kRows>(sums, w, x);
    w += kPanelOutputs * Form::kDepth;
    x += kRows * Form::kDepth;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t v = 0; v < kPanelVectors; ++v) {
      store(out + r * kPanelOutputs + v * kLanes, sums[r][v]);
    }
  }
}

template <class Form, int kRows>
void multiply_rows(int64_t rows, float* out, const typename Form::Row* x,
                   const typename Form::Weight* w, int64_t depth) {
  if (rows == kRows) {
    multiply_tile<Form, kRows>(out, x, w, depth);
  } else if constexpr (kRows > 1) {
    multiply_rows<Form, kRows - 1>(rows, out, x, w, depth);
  }
}

template <class Form>
void multiply(const PanelProduct& product) {
  const auto* w = static_cast<const typename Form::Weight*>(product.panel);
  const auto* x = static_cast<const typename Form::Row*>(product.x);
  for (int64_t i = 0; i < product.rows * kPanelOutputs; ++i) product.out[i] = 0;
  for (int64_t k = 0; k < product.depth; k += kBlockDepth) {
    const int64_t left = product.depth - k;
    const int64_t depth = left < kBlockDepth ? left : kBlockDepth;
    for (int64_t first = 0; first < product.rows; first += kTileRows) {
      const int64_t behind = product.rows - first;
      const int64_t rows = behind < kTileRows ? behind : kTileRows;
      multiply_rows<Form, kTileRows>(rows, product.out + first * kPanelOutputs,
                                     x + first * product.depth + k * rows, w + k * kPanelOutputs,
                                     depth);
    }
  }
}

// tile[k][r] = x[r][k] in float32.
template <class T>
void pack_rows_widened(void* tile, const void* x, int64_t rows, int64_t in, int64_t depth) {
  float* to = static_cast<float*>(tile);
  const T* from = static_cast<const T*>(x);
  for (int64_t k = 0; k < depth; k += kLanes) {
    const int64_t width = depth - k < kLanes ? depth - k : kLanes;
    for (int64_t r = 0; r < rows; ++r) {
      float wide[kLanes];
      store(wide, load_first(from + r * in + k, in - k));
      for (int64_t j = 0; j < width; ++j) to[(k + j) * rows + r] = wide[j];
    }
  }
}

// tile[k / 2][r][2] = x[r][k], x[r][k + 1].
inline void pack_rows_in_pairs(void* tile, const void* x, int64_t rows, int64_t in, int64_t depth) {
  Bf16* to = static_cast<Bf16*>(tile);
  const Bf16* from = static_cast<const Bf16*>(x);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k + 1 < in; k += 2) {
      __builtin_memcpy(to + k * rows + 2 * r, from + r * in + k, 2 * sizeof(Bf16));
    }
    for (int64_t k = in / 2 * 2; k < depth; ++k) {
      to[k / 2 * 2 * rows + 2 * r + k % 2] = k < in ? from[r * in + k] : Bf16{0};
    }
  }
}

template <class T>
constexpr MatmulKernels matmul_kernels() {
  return {kTileRows, sizeof(float), &pack_rows_widened<T>, &multiply<Plain<T>>};
}
template <>
constexpr MatmulKernels matmul_kernels<Bf16>() {
#if defined(__AVX512BF16__)
  return {kTileRows, sizeof(Bf16), &pack_rows_in_pairs, &multiply<DotPairs>};
#else
  return {kTileRows, sizeof(float), &pack_rows_widened<Bf16>, &multiply<WidenedPairs>};
#endif
}

}  // namespace
}  // namespace pagoda::cpu
