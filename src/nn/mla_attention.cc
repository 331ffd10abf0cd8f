#include "nn/mla_attention.h"

#include <vector>

namespace pagoda {
namespace {

// The heads of this rank; a unit is what one head has of the dimension.
Part share_of(const Weights& w, const MlaShape& s, int64_t unit) {
  return w.share(s.heads, unit);
}

// Rows of kv_b_proj that belong to keys, or to values, one Part a head of this rank.
std::vector<Part> slices_of(const Weights& w, const MlaShape& s, bool is_value) {
  const Part heads = share_of(w, s, 1);
  const int64_t size = is_value ? s.value_dim : s.nope_dim;
  std::vector<Part> slices(static_cast<size_t>(heads.padded_units),
                           Part{.unit = 1, .units = {}, .padded_units = size});
  for (size_t h = 0; h < heads.units.size(); ++h) {
    const int64_t first = heads.units[h] * (s.nope_dim + s.value_dim) + (is_value ? s.nope_dim : 0);
    for (int64_t i = 0; i < size; ++i) slices[h].units.push_back(first + i);
  }
  return slices;
}

ColumnLinear query_projection(const Weights& w, const MlaShape& s) {
  const int64_t dim = s.nope_dim + s.rope_dim, in = s.q_rank > 0 ? s.q_rank : s.hidden;
  return {w / (s.q_rank > 0 ? "q_b_proj" : "q_proj"), {s.heads * dim, in}, share_of(w, s, dim)};
}

int64_t rows_of_kv_b(const MlaShape& s) {
  return s.heads * (s.nope_dim + s.value_dim);
}

}  // namespace

MlaAttention::MlaAttention(const Weights& w, const MlaShape& shape)
    : shape_(shape),
      heads_(share_of(w, shape, 1)),
      dtype_(w.dtype()),
      q_(query_projection(w, shape)),
      kv_a_(w / "kv_a_proj_with_mqa", {shape.key_dim(), shape.hidden}, w.whole(shape.key_dim())),
      kv_norm_(w / "kv_a_layernorm", shape.kv_rank, shape.norm_eps),
      key_up_(w / "kv_b_proj", {rows_of_kv_b(shape), shape.kv_rank}, slices_of(w, shape, false),
              HeadLinear::Form::kTransposed),
      value_up_(w / "kv_b_proj", {rows_of_kv_b(shape), shape.kv_rank}, slices_of(w, shape, true),
                HeadLinear::Form::kAsStored),
      output_(w / "o_proj", {shape.hidden, shape.heads * shape.value_dim},
              share_of(w, shape, shape.value_dim), Bias::kNone) {
  if (shape.q_rank == 0) return;
  q_a_.emplace(w / "q_a_proj", std::initializer_list<int64_t>{shape.q_rank, shape.hidden},
               w.whole(shape.q_rank));
  q_norm_.emplace(w / "q_a_layernorm", shape.q_rank, shape.norm_eps);
}

PagedState MlaAttention::state() const {
  return {.shape = {.kv_heads = 1, .key_dim = shape_.key_dim(), .value_dim = 0, .dtype = dtype_}};
}

void MlaAttention::project_queries(Step& step, Tensor out, Tensor x) const {
  if (!q_a_) {
    q_(step, out, x);
    return;
  }
  const ScratchScope scope(step.scratch);
  const Tensor latent = step.scratch.make({x.dim(0), shape_.q_rank});
  (*q_a_)(step, latent, x);
  q_norm_->in_place(step, latent);
  q_(step, out, latent);
}

Tensor MlaAttention::queries(Step& step, Tensor x) const {
  const int64_t tokens = x.dim(0), heads = heads_.padded_units;
  const int64_t dim = shape_.nope_dim + shape_.rope_dim, key_dim = shape_.key_dim();
  const Tensor out = step.scratch.make({tokens, heads, key_dim});
  const ScratchScope scope(step.scratch);
  const Tensor q = step.scratch.make({tokens, heads, dim});
  project_queries(step, reshaped(q, {tokens, heads * dim}), x);
  key_up_(step, out, q);
  const Tensor turned = step.scratch.make({tokens, heads, shape_.rope_dim});
  const Tensor turned_rows = reshaped(turned, {tokens * heads, shape_.rope_dim});
  step.ops.copy_columns(turned_rows, reshaped(q, {tokens * heads, dim}), shape_.nope_dim);
  step.ops.rope(turned, step.rotary[0], RotaryPairing::kNeighbors);
  step.ops.paste_columns(reshaped(out, {tokens * heads, key_dim}), turned_rows, shape_.kv_rank);
  return out;
}

Tensor MlaAttention::keys(Step& step, Tensor x) const {
  const int64_t tokens = x.dim(0);
  const Tensor out = step.scratch.make({tokens, shape_.key_dim()});
  const ScratchScope scope(step.scratch);
  kv_a_(step, out, x);
  const Tensor latent = step.scratch.make({tokens, shape_.kv_rank});
  step.ops.copy_columns(latent, out, 0);
  kv_norm_.in_place(step, latent);
  step.ops.paste_columns(out, latent, 0);
  const Tensor turned = step.scratch.make({tokens, shape_.rope_dim});
  step.ops.copy_columns(turned, out, shape_.kv_rank);
  step.ops.rope(reshaped(turned, {tokens, 1, shape_.rope_dim}), step.rotary[0],
                RotaryPairing::kNeighbors);
  step.ops.paste_columns(out, turned, shape_.kv_rank);
  return reshaped(out, {tokens, 1, shape_.key_dim()});
}

Tensor MlaAttention::operator()(Step& step, LayerIndex layer, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const int64_t tokens = x.dim(0), heads = heads_.padded_units;
  const PagedLayer paged = step.paged(layer);
  const Tensor seen = step.scratch.make({tokens, heads, shape_.kv_rank});
  {
    const ScratchScope inner_scope(step.scratch);
    const Tensor k = keys(step, x);
    const Tensor no_values = make_view(nullptr, {tokens, 1, 0}, k.dtype);
    step.ops.write_kv(paged.cache, k, no_values, paged.slots);
    step.ops.paged_attention({.out = seen,
                              .q = queries(step, x),
                              .cache = paged.cache,
                              .index = paged.index,
                              .scale = static_cast<float>(shape_.scale)});
  }
  const Tensor values = step.scratch.make({tokens, heads, shape_.value_dim});
  value_up_(step, values, seen);
  output_(step, x, reshaped(values, {tokens, heads * shape_.value_dim}));
  return x;
}

}  // namespace pagoda
