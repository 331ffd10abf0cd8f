// Grouped-query attention (arXiv:2305.13245) over the paged cache; multi-head attention is the case
// of as many KV heads as query heads. Heads are dealt over the ranks.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace pagoda {

struct GqaShape {
  int64_t hidden, heads, kv_heads, head_dim;
  double norm_eps = 0.0;              // of the head norm
  bool head_norm = false;             // RMS-normalize every query and key head before rotary
  Bias qkv_bias = Bias::kNone;        // of q_proj, k_proj and v_proj
  Bias output_bias = Bias::kNone;     // of o_proj
  int64_t window = 0;                 // a token sees itself and the window - 1 before it; 0: all
  size_t rotary = 0;                  // which of the step's rotary tables turns its heads
  Storage storage = Storage::kApart;  // fused: qkv_proj
  RotaryPairing pairing = RotaryPairing::kHalves;
  Gain head_gain = Gain::kStored;  // of the head norm
  double scale = 0.0;              // on scores; 0: 1 / sqrt(head_dim)
  float soft_cap = 0.0f;           // of scores (tensor/ops.h); 0: none
  bool has_sinks = false;          // a score a head that adds no value: sinks [heads]
};

// Which heads a rank holds. Query heads stay with their KV head, and every KV head of a rank serves
// the same number of query heads:
//   ranks <= kv_heads: whole groups, dealt in order; the last ranks are padded with zero heads.
//   ranks > kv_heads:  one KV head a rank, kept by several ranks, which share out its query heads.
struct HeadShare {
  Part q, kv;  // units are heads
};
HeadShare share_heads(const GqaShape& shape, int rank, int ranks);

class GqaAttention {
 public:
  GqaAttention(const Weights& w, const GqaShape& shape);

  // What this rank keeps of its keys and values.
  PagedState state() const;
  // x [tokens, hidden] -> [tokens, hidden], in the memory of x.
  Tensor operator()(Step& step, LayerIndex layer, Tensor x) const;

 private:
  // Columns [first, first + n * head_dim) of the stacked projection, as [tokens, n, head_dim].
  Tensor heads_of(Step& step, Tensor qkv, int64_t first, int64_t n) const;

  GqaShape shape_;         // of the whole model
  const HeadShare share_;  // of this rank
  const DType dtype_;      // of what is cached
  StackedLinear qkv_;      // query heads, key heads, value heads
  std::optional<RmsNorm> q_norm_, k_norm_;
  Tensor sinks_;  // f32, one a query head of this rank, or empty
  RowLinear output_;
};

}  // namespace pagoda
