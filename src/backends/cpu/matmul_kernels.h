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
#include "backends/cpu/tile.h"

namespace pagoda::cpu {
namespace {

constexpr int kPanelVectors = static_cast<int>(kPanelOutputs / kLanes);
// The part of a panel that stays in L1 while rows pass over it: half of the smallest L1.
constexpr int64_t kBlockBytes = 16 << 10;
// How far ahead of one row's multiply-adds the panel is asked for. Hardware prefetchers stop at
// page borders.
constexpr int64_t kPrefetchBytes = 2048;

// float32 and float16 weights, x in float32. A step is one k: w [32] or a part of it, x [rows].
template <class T>
struct Plain {
  using Weight = T;
  using Row = float;
  static constexpr int64_t kDepth = 1;  // of one step

  template <int kRows, int kVectors>
  static inline void step(Tile<kRows, kVectors>& sums, const T* w, const float* x) {
    multiply_add(
        sums, [&](int v) { return load(w + v * kLanes); }, x);
  }
};

// Pairs of bfloat16 weights are 32-bit words: the even one is the low half. w [32][2], x [rows][2].
struct WidenedPairs {
  using Weight = Bf16;
  using Row = float;
  static constexpr int64_t kDepth = 2;

  static inline VBits pairs(const Bf16* w, int64_t v) {
    VBits bits;
    __builtin_memcpy(&bits, w + v * kLanes * 2, sizeof bits);
    return bits;
  }

  template <int kRows, int kVectors>
  static inline void step(Tile<kRows, kVectors>& sums, const Bf16* w, const float* x) {
    const auto even = [&](int v) { return reinterpret_cast<V>(pairs(w, v) << 16); };
    const auto odd = [&](int v) { return reinterpret_cast<V>(pairs(w, v) & 0xFFFF0000u); };
    multiply_add(sums, even, x, kDepth);
    multiply_add(sums, odd, x + 1, kDepth);
  }
};

#if defined(__AVX512BF16__)
// The instruction multiplies pairs and adds both products; x is pairs, too.
struct DotPairs {
  using Weight = Bf16;
  using Row = Bf16;
  static constexpr int64_t kDepth = 2;

  template <int kRows, int kVectors>
  static inline void step(Tile<kRows, kVectors>& sums, const Bf16* w, const Bf16* x) {
    __m512bh weights[kVectors];
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) {
      weights[v] = (__m512bh)_mm512_loadu_si512(w + v * kLanes * 2);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      __builtin_memcpy(&pair, x + int64_t{2} * r, sizeof pair);
      const __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], weights[v], both);
      }
    }
  }
};
#endif

// Asks for what comes kPrefetchBytes later.
template <class Form>
inline void prefetch(const typename Form::Weight* w) {
  constexpr int64_t kStepBytes = kPanelOutputs * Form::kDepth * int64_t{sizeof *w};
  const char* ahead = reinterpret_cast<const char*>(w) + kPrefetchBytes;
  for (int64_t line = 0; line < kStepBytes; line += 64) __builtin_prefetch(ahead + line);
}

// A tile of kRows rows, kVectors of the panel's outputs, and one block of the depth.
template <class Form, int kRows, int kVectors>
inline void multiply_tile(float* out, const typename Form::Row* x, const typename Form::Weight* w,
                          int64_t depth) {
  Tile<kRows, kVectors> sums;
  load_tile(sums, out, kPanelOutputs);
  for (int64_t k = 0; k < depth; k += Form::kDepth) {
    if constexpr (kRows == 1) prefetch<Form>(w);
    Form::template step<kRows, kVectors>(sums, w, x);
    w += kPanelOutputs * Form::kDepth;
    x += kRows * Form::kDepth;
  }
  store_tile(out, sums, kPanelOutputs);
}

template <class Form, int kRows>
void multiply_rows(int64_t rows, float* out, const typename Form::Row* x,
                   const typename Form::Weight* w, int64_t depth) {
  if (rows == kRows) {
    constexpr int kVectors = tile_vectors(kRows, 1, kPanelVectors);
    for (int64_t o = 0; o < kPanelOutputs; o += kVectors * kLanes) {
      multiply_tile<Form, kRows, kVectors>(out + o, x, w + o * Form::kDepth, depth);
    }
  } else if constexpr (kRows > 1) {
    multiply_rows<Form, kRows - 1>(rows, out, x, w, depth);
  }
}

inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

template <class Form>
constexpr int64_t kBlockDepth =
    kBlockBytes / kPanelOutputs / int64_t{sizeof(typename Form::Weight)};

// A block of packed rows is [depth / kBlockDepth][tiles][kBlockDepth / kDepth][tile's
// rows][kDepth]: what is multiplied with one block of a panel lies together. (Whole tiles one after
// another put the parts that are used together at distances that share cache sets.)
template <class Form>
// NOLINTNEXTLINE(readability-function-size): the three loops are the tiling
void multiply(const PanelProduct& product) {
  const auto* w = static_cast<const typename Form::Weight*>(product.panel);
  const auto* x = static_cast<const typename Form::Row*>(product.x);
  const int64_t panel_values = product.panel_bytes / int64_t{sizeof *w};
  const int64_t panel_sums = product.rows * kPanelOutputs;
  for (int64_t i = 0; i < product.panels * panel_sums; ++i) product.out[i] = 0;
  for (int64_t k = 0; k < product.depth; k += kBlockDepth<Form>) {
    const int64_t depth = smaller(product.depth - k, kBlockDepth<Form>);
    for (int64_t p = 0; p < product.panels; ++p) {
      const auto* block = w + p * panel_values + k * kPanelOutputs;
      for (int64_t first = 0; first < product.rows; first += kTileRows) {
        multiply_rows<Form, kTileRows>(smaller(product.rows - first, kTileRows),
                                       product.out + p * panel_sums + first * kPanelOutputs,
                                       x + k * product.rows + first * depth, block, depth);
      }
    }
  }
}

// to[i / kDepth * stride + i % kDepth] = values[i].
template <class Form>
inline void spread(typename Form::Row* to, const typename Form::Row* values, int64_t n,
                   int64_t stride) {
  for (int64_t i = 0; i < n; i += Form::kDepth, to += stride) {
    __builtin_memcpy(to, values + i, Form::kDepth * sizeof *to);
  }
}

// Rows [first, first + rows) and [k, k + depth) of x as one part of a block of packed rows.
template <class Form, class T>
void pack_part(typename Form::Row* tile, const RowPacking& packing, int64_t k, int64_t depth) {
  const int64_t rows = smaller(packing.rows - packing.first, kTileRows);
  const auto* from = static_cast<const T*>(packing.x) + packing.first * packing.in + k;
  for (int64_t j = 0; j < depth; j += kLanes) {
    for (int64_t r = 0; r < rows; ++r) {
      typename Form::Row values[kLanes];
      store(values, load_first(from + r * packing.in + j, packing.in - k - j));
      spread<Form>(tile + j * rows + r * Form::kDepth, values, smaller(depth - j, kLanes),
                   rows * Form::kDepth);
    }
  }
}

template <class Form, class T>
void pack_rows(const RowPacking& packing) {
  auto* block = static_cast<typename Form::Row*>(packing.block);
  for (int64_t k = 0; k < packing.depth; k += kBlockDepth<Form>) {
    const int64_t depth = smaller(packing.depth - k, kBlockDepth<Form>);
    pack_part<Form, T>(block + k * packing.rows + packing.first * depth, packing, k, depth);
  }
}

// What the units can do: enough chains to hide the latency, operands in registers. The empty
// assembly keeps the compiler from simplifying.
template <class Step>
inline int64_t saturate_with(int64_t rounds, Step step) {
  constexpr int kChains = 12;
  V sums[kChains] = {};
  V a = splat(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      sums[c] = step(sums[c], a);
#if defined(__x86_64__)
      asm volatile("" : "+x"(sums[c]));
#else
      asm volatile("" : "+w"(sums[c]));
#endif
    }
  }
  return rounds * kChains * kLanes;
}

inline int64_t saturate(int64_t rounds) {
  return saturate_with(rounds, [](V sum, V a) { return fused_multiply_add(a, a, sum); });
}

#if defined(__AVX512BF16__)
inline int64_t saturate_pairs(int64_t rounds) {
  return 2 * saturate_with(rounds, [](V sum, V a) {
           const __m512bh pairs = (__m512bh)(a);
           return (V)_mm512_dpbf16_ps(sum, pairs, pairs);
         });
}
#endif

template <class Form, class T>
constexpr MatmulKernels matmul_kernels_with(int64_t (*saturate_units)(int64_t)) {
  return {kTileRows, sizeof(typename Form::Row), &pack_rows<Form, T>, &multiply<Form>,
          saturate_units};
}

template <class T>
constexpr MatmulKernels matmul_kernels() {
  return matmul_kernels_with<Plain<T>, T>(&saturate);
}
template <>
constexpr MatmulKernels matmul_kernels<Bf16>() {
#if defined(__AVX512BF16__)
  return matmul_kernels_with<DotPairs, Bf16>(&saturate_pairs);
#else
  return matmul_kernels_with<WidenedPairs, Bf16>(&saturate);
#endif
}

}  // namespace
}  // namespace pagoda::cpu
