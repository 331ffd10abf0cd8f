#include "nn/moe_mlp.h"

#include <algorithm>
#include <string>

namespace pagoda {
namespace {

// Tokens that run through the experts together: bounds the workspace (a token needs as many rows as
// it has experts). Of 128 experts with 8 a token, each still gets 128 rows on average, enough to be
// bound by arithmetic.
constexpr int64_t kTokensAtOnce = 2048;

// The experts of this rank: all of them, or with expert parallelism a share.
ExpertRange experts_of(const Weights& w, int64_t experts) {
  if (!w.expert_parallel()) return {0, experts};
  const int64_t first = w.rank() * experts / w.ranks();
  return {first, (w.rank() + 1) * experts / w.ranks() - first};
}

}  // namespace

MoeMlp::MoeMlp(const Weights& w, const MoeShape& shape)
    : shape_(shape),
      experts_(experts_of(w, shape.experts)),
      router_(w / "gate", {shape.experts, shape.hidden}, w.whole(shape.experts)) {
  const Weights first_down = w / "experts" / std::to_string(experts_.first) / "down_proj";
  const Part ffn = w.expert_parallel() ? w.whole(shape.ffn) : first_down.share_inputs(shape.ffn);
  ffn_ = ffn.size();
  if (shape.has_correction) {
    correction_ = (w / "gate").vector("e_score_correction_bias", shape.experts);
  }
  using Bands = std::vector<Weights::Band>;
  if (experts_.count > 0) {
    gate_up_.emplace(w / "experts", experts_,
                     Bands{{"gate_proj", shape.ffn, ffn}, {"up_proj", shape.ffn, ffn}},
                     shape.hidden, w.whole(shape.hidden));
    down_.emplace(w / "experts", experts_,
                  Bands{{"down_proj", shape.hidden, w.whole(shape.hidden)}}, shape.ffn, ffn);
  }
  if (shape.shared_ffn > 0) {
    shared_.emplace(w / shape.shared_name,
                    MlpShape{.hidden = shape.hidden, .ffn = shape.shared_ffn});
  }
  if (!shape.shared_gate.empty()) {
    shared_gate_.emplace(w / shape.shared_gate, std::initializer_list<int64_t>{1, shape.hidden},
                         w.whole(1));
  }
}

Routing MoeMlp::route(Step& step, Tensor x) const {
  const int64_t tokens = x.dim(0), active = shape_.rule.active;
  Workspace& scratch = step.scratch;
  const Tensor logits = scratch.make({tokens, shape_.experts}, DType::kF32);
  const Routing routing = {.experts = scratch.make({tokens, active}, DType::kI32),
                           .weights = scratch.make({tokens, active}, DType::kF32),
                           .places = scratch.make({tokens, active}, DType::kI32),
                           .rows = scratch.make({tokens * active}, DType::kI32),
                           .offsets = scratch.make({shape_.experts + 1}, DType::kI32)};
  router_(step, logits, x);
  step.ops.route(routing, {.logits = logits, .correction = correction_}, shape_.rule);
  return routing;
}

void MoeMlp::run_experts(Step& step, Tensor out, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const Routing routing = route(step, x);
  const int64_t pairs = routing.rows.dim(0);
  const Tensor y = step.scratch.make({pairs, shape_.hidden});
  if (gate_up_) {
    const ScratchScope inner_scope(step.scratch);
    const Tensor gate_up = step.scratch.make({pairs, 2 * ffn_});
    const Tensor inner = step.scratch.make({pairs, ffn_});
    (*gate_up_)(step, gate_up, x, {routing.offsets, routing.rows});
    step.ops.gated_mul(inner, gate_up, Activation::kSilu);
    (*down_)(step, y, inner, {routing.offsets});
  }
  step.ops.combine_experts(out, y, routing, experts_.first, experts_.count);
}

void MoeMlp::run_shared(Step& step, Tensor x) const {
  const ScratchScope scope(step.scratch);
  Tensor gates;
  if (shared_gate_) {
    gates = step.scratch.make({x.dim(0), 1}, DType::kF32);
    (*shared_gate_)(step, gates, x);
  }
  (*shared_)(step, x);
  if (shared_gate_) step.ops.gate_rows(x, gates);
}

Tensor MoeMlp::operator()(Step& step, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const int64_t tokens = x.dim(0);
  const Tensor routed = shared_ ? step.scratch.make({tokens, shape_.hidden}) : x;
  for (int64_t first = 0; first < tokens; first += kTokensAtOnce) {
    const int64_t count = std::min(kTokensAtOnce, tokens - first);
    run_experts(step, rows_of(routed, first, count), rows_of(x, first, count));
  }
  if (step.tensor_parallel.size() > 1) step.tensor_parallel.all_reduce_sum(routed);
  if (shared_) {
    run_shared(step, x);
    step.ops.add(x, routed);
  }
  return x;
}

}  // namespace pagoda
