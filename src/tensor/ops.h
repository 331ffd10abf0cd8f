// The contract between models and devices: the complete list of what a backend must be able to do.
//
// Primitive ops are pure virtual. Composite ops have a default made of primitives (ops.cc) and are
// overridden where a fused kernel pays.
//
// Activations ("x") are f32, bf16 or f16, all of one dtype in a call unless said otherwise;
// arithmetic is at least f32, rounded once when stored. `gain` and `bias` are f32.
//
// Batch invariance: every row of an output is the same bits whatever other rows are in the call,
// and whatever the number of threads (ARCHITECTURE.md, section 5).
//
// Calls are queued (device.h): tensors and structs are copied, a Matrix stays as long as the call.
//
// Thread rule: the thread of the rank that owns the device.
#pragma once

#include "tensor/matrix.h"
#include "tensor/routing.h"
#include "tensor/tensor.h"

namespace pagoda {

// Which cached keys and values each query row of this step attends to. Rows of a sequence are
// consecutive tokens; the last row sees kv_lengths tokens, the row before it one less, and so on.
struct AttentionIndex {
  // i32 [sequences, max_blocks]; entries of blocks in which no row sees a token are unused
  Tensor block_table;
  Tensor query_offsets;  // i32 [sequences + 1], row range of each sequence
  Tensor kv_lengths;     // i32 [sequences], tokens visible to the last query row
};

struct KvShape {
  int64_t kv_heads, key_dim, value_dim;  // of this rank; value_dim 0: values are part of keys (MLA)
  DType dtype;  // of what is cached; Device::kv_block_bytes() refuses what the device cannot
};

// One layer of the KV cache. What the bytes of a block mean is the device's business.
struct KvLayer {
  Tensor blocks;  // u8 [blocks, Device::kv_block_bytes]
  KvShape shape;
  int64_t block_size;  // tokens
};

// Made once a step by the model, which knows the scaling; the same for all layers that turn alike.
struct RotaryTable {
  Tensor cos, sin;  // f32 [tokens, rotary_dim / 2]
};

// silu(x) = x / (1 + e^-x); gelu by tanh: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
// (arXiv:1606.08415, section 2).
enum class Activation : uint8_t { kSilu, kGeluTanh };

enum class RotaryPairing : uint8_t { kHalves, kNeighbors };  // (i, i + dim/2) or (2i, 2i + 1)

struct Attention {
  // [tokens, heads, value_dim]; where the cache's value_dim is 0, the first numbers of each key are
  // its value, as many as out has.
  Tensor out;
  Tensor q;  // [tokens, heads, key_dim]; query head h reads KV head h / (heads / kv_heads)
  KvLayer cache;
  AttentionIndex index;
  float scale;         // on q . k
  int64_t window = 0;  // a row sees itself and the window - 1 tokens before it; 0: all before it
  // Scores s become soft_cap * tanh(s / soft_cap) (Gemma 2, arXiv:2408.00118, section 2); 0: stay.
  float soft_cap = 0;
  // f32 [heads], a score that takes its share of the softmax and adds no value (attention sinks as
  // gpt-oss learns them, arXiv:2508.10925, section 2.2); empty: none.
  Tensor sinks = {};
};

// Attention without a cache and in both directions: a row sees every row of its segment.
struct SegmentAttention {
  Tensor out, q;   // [rows, heads, dim]; of a single segment perhaps some of its rows only
  Tensor k, v;     // [rows, heads, dim]
  Tensor offsets;  // i32 [segments + 1]: segment i is rows offsets[i] to offsets[i + 1]
  float scale;     // on q . k
};

// Rows of each expert with its matrix: out[i, :] = x[source, :] weights[e]^T for offsets[first + e]
// <= i < offsets[first + e + 1], source = rows[i], or i where `rows` is empty. Other rows of out
// keep what they had. Experts without rows cost nothing: their weights are not read.
struct ExpertProduct {
  Tensor out;             // [pairs, out] of x's dtype
  Tensor x;               // [any, in]
  const Matrix& weights;  // count: experts of this rank
  Tensor offsets;         // i32 [all experts + 1]
  Tensor rows;            // i32 [pairs], or empty
  int64_t first = 0;      // expert that weights[0] belongs to
};

class Ops {
 public:
  virtual ~Ops() = default;

  // out[i, :] = table[ids[i] - first, :], zeros where that row is not in the table.
  // ids i32 [n], out [n, in].
  virtual void gather_rows(Tensor out, const Matrix& table, Tensor ids, int64_t first) = 0;
  // out[i, :] = x[rows[i], :].  x [tokens, hidden] of any dtype, rows i32 [n], out [n, hidden].
  virtual void gather_rows(Tensor out, Tensor x, Tensor rows) = 0;
  // out[rows[i], :] = x[i, :].  x [n, hidden] of any dtype, rows i32 [n], out [tokens, hidden].
  virtual void scatter_rows(Tensor out, Tensor x, Tensor rows) = 0;
  // out[rows[i], ...] = 0.  out [n, ...] of any dtype, rows i32 [any].
  virtual void clear_rows(Tensor out, Tensor rows) = 0;

  // out = x weight^T (+ bias).  x [rows, in], weight [out, in], bias f32 [out] or empty,
  // out [rows, out] of x's dtype or f32.
  virtual void matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) = 0;

  // inout += x, same shape.
  virtual void add(Tensor inout, Tensor x) = 0;
  // out = round(x / sqrt(mean(x^2) + eps)) * gain, mean over the last dimension [..., n], gain [n];
  // round: to the dtype of x, as transformers does. out may be x.
  virtual void rms_norm(Tensor out, Tensor x, Tensor gain, float eps) = 0;
  // out[:, j] = activation(gate_up[:, j]) * gate_up[:, ffn + j].  gate_up [tokens, 2 ffn], out
  // [tokens, ffn].
  virtual void gated_mul(Tensor out, Tensor gate_up, Activation activation) = 0;
  // inout *= factor.
  virtual void scale(Tensor inout, float factor) = 0;
  // inout = cap * tanh(inout / cap), of logits (arXiv:2408.00118, section 2). f32.
  virtual void soft_cap(Tensor inout, float cap) = 0;
  // inout = inout * Phi(inout), Phi the cumulative distribution of the normal distribution, by erf
  // (arXiv:1606.08415, section 2).
  virtual void gelu(Tensor inout) = 0;
  // inout[i, :] *= sigmoid(gates[i]).  inout [rows, n], gates f32 [rows].
  virtual void gate_rows(Tensor inout, Tensor gates) = 0;
  // In place on the first rotary_dim numbers of each head. heads [tokens, n, head_dim].
  virtual void rope(Tensor heads, const RotaryTable& table, RotaryPairing pairing) = 0;
  // Columns of a matrix whose rows are [a | b | c]: out[i, :] = x[i, first : first + out.dim(1)].
  // x [rows, columns], out [rows, n].
  virtual void copy_columns(Tensor out, Tensor x, int64_t first) = 0;
  // The reverse: out[i, first : first + x.dim(1)] = x[i, :]; the other columns keep what they had.
  virtual void paste_columns(Tensor out, Tensor x, int64_t first) = 0;
  // out[r, p * width + j] = parts[p, r, j]; columns of out beyond its width are dropped (padding).
  // parts [ranks, rows, width], out [rows, <= ranks * width].
  virtual void join_columns(Tensor out, Tensor parts) = 0;

  // k [tokens, kv_heads, key_dim], v [tokens, kv_heads, value_dim], slots i32 [tokens] =
  // block * block_size + offset. Rounded once where the cache's dtype is another.
  virtual void write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) = 0;
  // Softmax over visible keys, scores and sums in f32.
  virtual void paged_attention(const Attention& call) = 0;
  // The same over rows that are all here.
  virtual void segment_attention(const SegmentAttention& call) = 0;

  virtual void matmul_experts(const ExpertProduct& call) = 0;
  // out[t, :] = sum of weights[t, c] * y[places[t, c], :] over the choices c of token t, in their
  // order, f32; only over experts [first, first + count).  y [pairs, hidden], out [tokens, hidden].
  virtual void combine_experts(Tensor out, Tensor y, const Routing& routing, int64_t first,
                               int64_t count) = 0;
  // Each head with its own matrix, weight.count of them: out[t, h, j] = sum of x[t, h, i] *
  // weight[h][j, i] for j < weight.out; other numbers of out keep what they had.
  // x [tokens, heads, >= in], out [tokens, heads, >= out] of x's dtype.
  virtual void matmul_heads(Tensor out, Tensor x, const Matrix& weight) = 0;

  // Fills all of `routing` (routing.h). HostAssistedOps computes it on the host.
  virtual void route(const Routing& routing, const RouterScores& scores,
                     const RoutingRule& rule) = 0;

  // ids[i] = the j with the largest logits[i, j], of equals the smallest; NaN is never the largest,
  // and where nothing else is there, 0.  logits f32 [rows, vocab], ids i32 [rows].
  virtual void argmax(Tensor ids, Tensor logits) = 0;
  // The k largest of each row, largest first, of equals the smaller id first, and no NaN; where
  // there are fewer, the rest of scores is -infinity and of ids -1.
  // logits f32 [rows, vocab], scores f32 [rows, k], ids i32 [rows, k].
  virtual void top_k(Tensor scores, Tensor ids, Tensor logits) = 0;

  // Composite: stream += delta (if not empty); out = rms_norm(stream). out may be delta.
  virtual void add_rms_norm(Tensor out, Tensor stream, Tensor delta, Tensor gain, float eps);
};

}  // namespace pagoda
