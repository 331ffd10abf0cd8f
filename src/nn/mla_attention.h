// Multi-head latent attention (arXiv:2405.04434, section 2.1), of which only the latent is cached:
// kv_rank numbers that all heads share, and one rotary key of rope_dim (eq. 9 to 19).
//
// Always in the absorbed form (the note below eq. 19): the key up-projection W_UK goes into the
// query, the value up-projection W_UV behind the attention,
//
//   q'_h = [W_UK_h^T q_nope_h | rope(q_rope_h)]    key = [norm(latent) | rope(k_rope)]
//   out_h = W_UV_h softmax(q'_h key^T scale) norm(latent)
//
// so that decoding reads the latent once for all heads, and every row of every step is computed
// alike. The price is paid by prefill: a query, key and head cost 2 kv_rank + rope_dim multiply-
// adds instead of nope_dim + rope_dim + value_dim (1088 instead of 320 with the published sizes,
// 3.4 times), which outweighs the saved up-projection of keys and values once prompts are longer
// than a few hundred tokens.
//
// Heads are dealt over the ranks; every rank keeps the latent.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include <optional>

#include "base/ids.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace pagoda {

struct MlaShape {
  int64_t hidden, heads;
  int64_t q_rank;  // of the query's own latent; 0: none
  int64_t kv_rank, nope_dim, rope_dim, value_dim;
  double norm_eps;
  double scale;  // on q . k

  int64_t key_dim() const { return kv_rank + rope_dim; }  // as cached
};

class MlaAttention {
 public:
  MlaAttention(const Weights& w, const MlaShape& shape);

  // What every rank keeps: the latent with its rotary key, and no values.
  PagedState state() const;
  // x [tokens, hidden] -> [tokens, hidden], in the memory of x.
  Tensor operator()(Step& step, LayerIndex layer, Tensor x) const;

 private:
  // q' [tokens, heads, key_dim].
  Tensor queries(Step& step, Tensor x) const;
  // [tokens, heads * (nope_dim + rope_dim)], where heads that are padded are zeros.
  void project_queries(Step& step, Tensor out, Tensor x) const;
  // [tokens, 1, key_dim].
  Tensor keys(Step& step, Tensor x) const;

  const MlaShape shape_;             // of the whole model
  const Part heads_;                 // of this rank; units are heads
  const DType dtype_;                // of what is cached
  std::optional<ColumnLinear> q_a_;  // to the query's latent
  std::optional<RmsNorm> q_norm_;
  ColumnLinear q_;     // from x, or from the query's latent
  ColumnLinear kv_a_;  // to the latent and the rotary key
  RmsNorm kv_norm_;
  HeadLinear key_up_;    // transposed: [kv_rank, nope_dim] a head
  HeadLinear value_up_;  // [value_dim, kv_rank] a head
  RowLinear output_;
};

}  // namespace pagoda
