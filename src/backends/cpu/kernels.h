// What one instruction family can do: a table of functions over pointers and sizes.
//
// This header and the *_kernels.h beside it are compiled once a family, each time with other
// flags. An inline function that two such files share may be linked from the wrong one and die on
// an older machine. So: C headers only, and functions only in unnamed namespaces.
//
// Within a family every result is the same bits however the work was cut.
#pragma once

#include <stdint.h>

namespace pagoda::cpu {

// Number formats of activations, weights and cache, in the order of DType.
constexpr int kNumbers = 3;  // float32, bfloat16, float16

// --- Matrix product -----------------------------------------------------------------------------
// A packed matrix is panels of 32 outputs: float32 and float16 as [depth][32], bfloat16 in pairs as
// [depth / 2][32][2], which is what AMX and AVX512-BF16 multiply. 32 outputs are two AMX tiles, and
// few enough that a small matrix still gives every thread a panel. weight_layout.h chooses.
enum class WeightLayout : uint8_t { kF32, kBF16Pairs, kF16 };
constexpr int kWeightLayouts = 3;
constexpr int64_t kPanelOutputs = 32;
// The depth of a bfloat16 matrix is padded with zeros to that of an AMX tile.
constexpr int64_t kDepthAlignment = 32;

// A tile of rows of x, packed for the product: rows [first, first + tile_rows) of a block. Several
// tiles make a block; where in it a tile goes is the family's business.
struct RowPacking {
  void* block;    // rows * depth values
  const void* x;  // [rows, in] of the block
  int64_t rows, first, in, depth;
};

// out[p, r, o] = sum over k of x[r, k] * panel p[k, o], one chain in order of k.
struct PanelProduct {
  float* out;         // [panels, rows, kPanelOutputs]
  const void* x;      // a block made by pack_rows
  const void* panel;  // the first of them
  int64_t panels, panel_bytes;
  int64_t rows, depth;
};

// The product with weights of one layout, and rows of the dtype that goes with it.
struct MatmulKernels {
  int64_t tile_rows;        // rows that are multiplied at once
  int64_t bytes_per_value;  // of packed x
  void (*pack_rows)(const RowPacking& packing);
  void (*multiply)(const PanelProduct& product);
  // For bench/matmul: `rounds` of as many independent multiply-adds as the units can take, without
  // touching memory. Returns how many single multiply-adds that were.
  int64_t (*saturate)(int64_t rounds);
};

// --- Attention ----------------------------------------------------------------------------------
// Keys are visited in splits at multiples of kSplitKeys tokens, whatever the block size.
constexpr int64_t kSplitKeys = 256;
// Keys of a group lie side by side ([key_dim][16]), so that a lane is a key.
constexpr int64_t kKeyGroup = 16;
// Values are padded to this many.
constexpr int64_t kValueAlignment = 16;

// Softmax(q k^T) v over one split for rows that share a KV head; not yet divided by its sum.
struct SplitAttention {
  const float* queries;  // packed: tiles of query_tile rows, each [key_dim][its rows]
  int64_t rows, key_dim;
  int64_t value_dim;              // padded
  const void* const* key_groups;  // [kSplitKeys / kKeyGroup], null where no row sees a key
  const void* const* values;      // [kSplitKeys], one row a key
  const int32_t* begin;           // [rows] first visible key of the split
  const int32_t* end;             // [rows] behind the last one; begin == end: none
  float soft_cap;                 // scores s become soft_cap * tanh(s / soft_cap); 0: stay
  float* scores;                  // [rows, kSplitKeys], scratch
  float* out;                     // [rows, value_dim]
  float* max;                     // [rows]
  float* sum;                     // [rows]
};

// Running softmax of one row, and a further split of it.
struct SoftmaxState {
  float* out;
  float* max;
  float* sum;
};

struct AttentionKernels {
  int64_t query_tile;
  void (*attend)(const SplitAttention& split);
};

// --- The rest -----------------------------------------------------------------------------------
constexpr int kActivations = 2;

struct RopeCall {
  void* heads;  // [count, head_dim]
  int64_t count, head_dim;
  const float* cos;  // [half]
  const float* sin;
  int64_t half;
};

struct NumberKernels {
  void (*widen)(float* out, const void* x, int64_t n);
  void (*narrow)(void* out, const float* x, int64_t n);
  void (*add)(void* inout, const void* x, int64_t n);
  void (*rms_norm)(void* out, const void* x, const float* gain, int64_t n, float eps);  // one row
  // In the order of Activation.
  void (*gated_mul[kActivations])(void* out, const void* gate, const void* up, int64_t n);
  void (*scale)(void* inout, float factor, int64_t n);
  void (*rope_halves)(const RopeCall& call);
  void (*rope_neighbors)(const RopeCall& call);
  AttentionKernels attention;  // keys and values of this format
};

struct Kernels {
  NumberKernels of[kNumbers];
  MatmulKernels matmul[kWeightLayouts];  // in the order of WeightLayout
  // Folds a split into the state: rescales both to the larger maximum.
  void (*merge)(SoftmaxState state, SoftmaxState split, int64_t n);
  // x /= divisor
  void (*divide)(float* x, float divisor, int64_t n);
  // x = cap * tanh(x / cap)
  void (*soft_cap)(float* x, float cap, int64_t n);
};

// Each in its own file; families.h says which exist on a machine.
const Kernels& portable_kernels();
const Kernels& avx2_kernels();
const Kernels& avx512f_kernels();
const Kernels& avx512bf16_kernels();
const Kernels& amx_kernels();
const Kernels& neon_kernels();

}  // namespace pagoda::cpu
