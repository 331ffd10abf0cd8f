// Products of rows with packed panels of bfloat16 by tiles of the AMX unit.
//
//   out[p, r, o] = sum over k of x[r, k] * w[p, o, k]
//
// A tile instruction multiplies 16 rows of 32 numbers with 32 x 16 weights and adds to 16 x 16
// sums, pair by pair in order of k: every output is one chain, whatever the number of rows. So this
// family uses it for every number of rows; tiles with fewer rows cost less. Eight tiles are 2 x 2
// of sums (32 rows, one panel), two of x, two of weights: each load serves two multiplications.
//
// `Unit` is the tile unit: AmxUnit in amx_unit.h, or its emulation in amx_test.cc.
// Measure: bench/matmul --backend cpu:amx.
#pragma once

#include "backends/cpu/kernels.h"

namespace pagoda::cpu {
namespace {

constexpr int64_t kAmxRows = 16;     // of a tile
constexpr int64_t kAmxOutputs = 16;  // 32-bit columns of a tile
constexpr int64_t kAmxDepth = 32;    // bfloat16 numbers in a row of a tile
constexpr int64_t kAmxTileRows = 2 * kAmxRows;
// The part of a panel that rows pass over before the next: 64 KiB, small beside L2. Sums are loaded
// and stored once a block, at the cost of 2 of its 32 steps.
constexpr int64_t kAmxBlockDepth = 1024;

// Which tile is what.
enum AmxTile { kSumLowLeft, kSumLowRight, kSumHighLeft, kSumHighRight, kLow, kHigh, kLeft, kRight };

inline int64_t amx_smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// to[i] = from[first + i], zeros from `behind` on.
inline void amx_copy_row(uint16_t* to, const uint16_t* from, int64_t first, int64_t behind) {
  for (int64_t i = 0; i < kAmxDepth; ++i) {
    to[i] = first + i < behind ? from[first + i] : uint16_t{0};
  }
}

// A block of packed rows is [depth / kAmxBlockDepth][tiles][steps][tile's rows][32].
// NOLINTNEXTLINE(readability-function-size): the three loops are the layout
inline void amx_pack_rows(const RowPacking& packing) {
  const auto* from = static_cast<const uint16_t*>(packing.x) + packing.first * packing.in;
  const int64_t rows = amx_smaller(packing.rows - packing.first, kAmxTileRows);
  for (int64_t k = 0; k < packing.depth; k += kAmxBlockDepth) {
    const int64_t depth = amx_smaller(packing.depth - k, kAmxBlockDepth);
    uint16_t* tile =
        static_cast<uint16_t*>(packing.block) + k * packing.rows + packing.first * depth;
    for (int64_t j = 0; j < depth; j += kAmxDepth) {
      for (int64_t r = 0; r < rows; ++r) {
        amx_copy_row(tile + j * rows + r * kAmxDepth, from + r * packing.in, k + j, packing.in);
      }
    }
  }
}

// One tile of rows <= 32, one block of the depth of one panel.
struct AmxBlock {
  float* out;         // [rows, kPanelOutputs]
  const uint16_t* x;  // [depth / 32][rows][32]
  const uint16_t* w;  // [depth / 2][kPanelOutputs][2]
  int64_t rows, depth;
};

// kBoth: rows > 16.
template <bool kBoth, class Unit>
inline void amx_multiply_tile(Unit& unit, const AmxBlock& block) {
  constexpr int64_t kSumStride = kPanelOutputs * 4, kRowStride = kAmxDepth * 2;
  constexpr int64_t kWeightStride = kPanelOutputs * 4;
  float* out = block.out;
  float* high = out + kAmxRows * kPanelOutputs;
  const uint16_t* x = block.x;
  const uint16_t* w = block.w;
  unit.template load<kSumLowLeft>(out, kSumStride);
  unit.template load<kSumLowRight>(out + kAmxOutputs, kSumStride);
  if constexpr (kBoth) {
    unit.template load<kSumHighLeft>(high, kSumStride);
    unit.template load<kSumHighRight>(high + kAmxOutputs, kSumStride);
  }
  for (int64_t k = 0; k < block.depth; k += kAmxDepth) {
    unit.template load<kLow>(x, kRowStride);
    unit.template load<kLeft>(w, kWeightStride);
    unit.template load<kRight>(w + 2 * kAmxOutputs, kWeightStride);
    unit.template multiply<kSumLowLeft, kLow, kLeft>();
    unit.template multiply<kSumLowRight, kLow, kRight>();
    if constexpr (kBoth) {
      unit.template load<kHigh>(x + kAmxRows * kAmxDepth, kRowStride);
      unit.template multiply<kSumHighLeft, kHigh, kLeft>();
      unit.template multiply<kSumHighRight, kHigh, kRight>();
    }
    x += block.rows * kAmxDepth;
    w += kAmxDepth * kPanelOutputs;
  }
  unit.template store<kSumLowLeft>(out, kSumStride);
  unit.template store<kSumLowRight>(out + kAmxOutputs, kSumStride);
  if constexpr (kBoth) {
    unit.template store<kSumHighLeft>(high, kSumStride);
    unit.template store<kSumHighRight>(high + kAmxOutputs, kSumStride);
  }
}

// Tiles of `rows` rows each over rows [first, last) of a block.
template <class Unit>
// NOLINTNEXTLINE(readability-function-size): the three loops are the tiling
inline void amx_multiply_rows(Unit& unit, const PanelProduct& product, int64_t first, int64_t last,
                              int64_t rows) {
  const auto* w = static_cast<const uint16_t*>(product.panel);
  const auto* x = static_cast<const uint16_t*>(product.x);
  for (int64_t k = 0; k < product.depth; k += kAmxBlockDepth) {
    const int64_t depth = amx_smaller(product.depth - k, kAmxBlockDepth);
    for (int64_t p = 0; p < product.panels; ++p) {
      const uint16_t* panel = w + p * product.panel_bytes / 2 + k * kPanelOutputs;
      for (int64_t row = first; row < last; row += rows) {
        const AmxBlock block = {.out = product.out + (p * product.rows + row) * kPanelOutputs,
                                .x = x + k * product.rows + row * depth,
                                .w = panel,
                                .rows = rows,
                                .depth = depth};
        if (rows > kAmxRows) {
          amx_multiply_tile<true>(unit, block);
        } else {
          amx_multiply_tile<false>(unit, block);
        }
      }
    }
  }
}

template <class Unit>
void amx_multiply(const PanelProduct& product) {
  for (int64_t i = 0; i < product.panels * product.rows * kPanelOutputs; ++i) product.out[i] = 0;
  const int64_t whole = product.rows / kAmxTileRows * kAmxTileRows;
  const int64_t rest = product.rows - whole;
  Unit unit;
  if (whole > 0) {
    unit.configure(kAmxRows, kAmxRows);
    amx_multiply_rows(unit, product, 0, whole, kAmxTileRows);
  }
  if (rest > 0) {
    const int64_t low = amx_smaller(rest, kAmxRows);
    unit.configure(low, rest - low);
    amx_multiply_rows(unit, product, whole, product.rows, rest);
  }
}

// For bench/matmul; see MatmulKernels.
template <class Unit>
int64_t amx_saturate(int64_t rounds) {
  Unit unit;
  unit.configure(kAmxRows, kAmxRows);
  for (int64_t i = 0; i < rounds; ++i) {
    unit.template multiply<kSumLowLeft, kLow, kLeft>();
    unit.template multiply<kSumLowRight, kLow, kRight>();
    unit.template multiply<kSumHighLeft, kHigh, kLeft>();
    unit.template multiply<kSumHighRight, kHigh, kRight>();
  }
  return rounds * 4 * kAmxRows * kAmxOutputs * kAmxDepth;
}

template <class Unit>
constexpr MatmulKernels amx_matmul_kernels() {
  return {.tile_rows = kAmxTileRows,
          .bytes_per_value = 2,
          .pack_rows = &amx_pack_rows,
          .multiply = &amx_multiply<Unit>,
          .saturate = &amx_saturate<Unit>};
}

}  // namespace
}  // namespace pagoda::cpu
