#include "nn/gqa_attention.h"

#include <algorithm>
#include <cmath>

namespace pagoda {

HeadShare share_heads(const GqaShape& shape, int rank, int ranks) {
  const int64_t group = shape.heads / shape.kv_heads;
  if (ranks <= shape.kv_heads) {
    HeadShare share{.q = {.unit = shape.head_dim, .units = {}},
                    .kv = share_part(shape.kv_heads, shape.head_dim, rank, ranks)};
    for (const int64_t kv_head : share.kv.units) {
      for (int64_t i = 0; i < group; ++i) share.q.units.push_back(kv_head * group + i);
    }
    share.q.padded_units = share.kv.padded_units * group;
    return share;
  }
  // Ranks [first, last) keep this KV head. The fewest that any KV head gets decide the padding.
  const int64_t kv_head = rank * shape.kv_heads / ranks;
  const auto first_rank = [&](int64_t head) {
    return (head * ranks + shape.kv_heads - 1) / shape.kv_heads;
  };
  const int64_t first = first_rank(kv_head), last = first_rank(kv_head + 1);
  const int64_t fewest = ranks / shape.kv_heads;
  HeadShare share{.q = share_part(group, shape.head_dim, static_cast<int>(rank - first),
                                  static_cast<int>(last - first)),
                  .kv = {.unit = shape.head_dim, .units = {kv_head}, .padded_units = 1}};
  for (int64_t& head : share.q.units) head += kv_head * group;
  share.q.padded_units = (group + fewest - 1) / fewest;
  return share;
}

namespace {

std::vector<Weights::Band> qkv_bands(const GqaShape& shape, const HeadShare& share) {
  const int64_t q = shape.heads * shape.head_dim, kv = shape.kv_heads * shape.head_dim;
  if (shape.storage == Storage::kApart) {
    return {{"q_proj", q, share.q}, {"k_proj", kv, share.kv}, {"v_proj", kv, share.kv}};
  }
  const int64_t all = q + 2 * kv;
  return {{"qkv_proj", all, share.q},
          {"qkv_proj", all, behind(share.kv, q)},
          {"qkv_proj", all, behind(share.kv, q + kv)}};
}

// One number a head.
Part single_numbers(const Part& q) {
  Part heads = q;
  heads.unit = 1;
  return heads;
}

}  // namespace

GqaAttention::GqaAttention(const Weights& w, const GqaShape& shape)
    : shape_(shape),
      share_(share_heads(shape, w.rank(), w.ranks())),
      dtype_(w.dtype()),
      qkv_(w, qkv_bands(shape, share_), shape.hidden, shape.qkv_bias),
      output_(w / "o_proj", {shape.hidden, shape.heads * shape.head_dim}, share_.q,
              shape.output_bias) {
  if (shape.head_norm) {
    q_norm_.emplace(w / "q_norm", shape.head_dim, shape.norm_eps, shape.head_gain);
    k_norm_.emplace(w / "k_norm", shape.head_dim, shape.norm_eps, shape.head_gain);
  }
  if (shape.has_sinks) sinks_ = w.vector("sinks", shape.heads, single_numbers(share_.q));
  if (shape_.scale == 0.0) shape_.scale = 1.0 / std::sqrt(static_cast<double>(shape.head_dim));
}

PagedState GqaAttention::state() const {
  return {.shape = {.kv_heads = share_.kv.padded_units,
                    .key_dim = shape_.head_dim,
                    .value_dim = shape_.head_dim,
                    .dtype = dtype_},
          .window = shape_.window};
}

Tensor GqaAttention::heads_of(Step& step, Tensor qkv, int64_t first, int64_t n) const {
  const Tensor out = step.scratch.make({qkv.dim(0), n * shape_.head_dim});
  step.ops.copy_columns(out, qkv, first * shape_.head_dim);
  return reshaped(out, {qkv.dim(0), n, shape_.head_dim});
}

Tensor GqaAttention::operator()(Step& step, LayerIndex layer, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const int64_t tokens = x.dim(0);
  const int64_t heads = share_.q.padded_units, kv_heads = share_.kv.padded_units;
  const Tensor qkv = step.scratch.make({tokens, (heads + 2 * kv_heads) * shape_.head_dim});
  qkv_(step, qkv, x);
  const Tensor q = heads_of(step, qkv, 0, heads);
  const Tensor k = heads_of(step, qkv, heads, kv_heads);
  const Tensor v = heads_of(step, qkv, heads + kv_heads, kv_heads);
  if (q_norm_) q_norm_->in_place(step, q);
  if (k_norm_) k_norm_->in_place(step, k);
  step.ops.rope(q, step.rotary[shape_.rotary], shape_.pairing);
  step.ops.rope(k, step.rotary[shape_.rotary], shape_.pairing);

  const PagedLayer paged = step.paged(layer);
  step.ops.write_kv(paged.cache, k, v, paged.slots);
  const Tensor seen = step.scratch.make({tokens, heads, shape_.head_dim});
  step.ops.paged_attention({.out = seen,
                            .q = q,
                            .cache = paged.cache,
                            .index = paged.index,
                            .scale = static_cast<float>(shape_.scale),
                            .window = shape_.window,
                            .soft_cap = shape_.soft_cap,
                            .sinks = sinks_});
  output_(step, x, reshaped(seen, {tokens, heads * shape_.head_dim}));
  return x;
}

}  // namespace pagoda
