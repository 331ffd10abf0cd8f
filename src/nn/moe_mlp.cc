#include "nn/moe_mlp.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace pagoda {
namespace {

// Tokens that run through the experts together: bounds the workspace (a token needs as many rows as
// it has experts). Of 128 experts with 8 a token, each still gets 128 rows on average, enough to be
// bound by arithmetic.
constexpr int64_t kTokensAtOnce = 2048;

}  // namespace

MoeMlp::MoeMlp(const Weights& w, const MoeShape& shape)
    : shape_(shape),
      count_(shape.experts),
      ffn_(shape.ffn),
      router_((w / "gate")
                  .matrix({shape.experts, shape.hidden}, w.whole(shape.experts),
                          w.whole(shape.hidden))) {
  Part ffn = w.whole(shape.ffn);
  if (w.expert_parallel()) {
    first_ = w.rank() * shape.experts / w.ranks();
    count_ = (w.rank() + 1) * shape.experts / w.ranks() - first_;
  } else {
    ffn = w.share(shape.ffn);
    ffn_ = ffn.size();
  }
  if (shape.has_correction) {
    correction_ = (w / "gate").vector("e_score_correction_bias", shape.experts);
  }
  std::vector<int64_t> numbers(static_cast<size_t>(count_));
  std::iota(numbers.begin(), numbers.end(), first_);
  if (count_ > 0) {
    gate_up_ = &(w / "experts")
                    .numbered(numbers, {{"gate_proj", shape.ffn, ffn}, {"up_proj", shape.ffn, ffn}},
                              shape.hidden, w.whole(shape.hidden));
    down_ = &(w / "experts")
                 .numbered(numbers, {{"down_proj", shape.hidden, w.whole(shape.hidden)}}, shape.ffn,
                           ffn);
  }
  if (shape.shared_ffn > 0) shared_.emplace(w / shape.shared_name, shape.hidden, shape.shared_ffn);
  if (!shape.shared_gate.empty()) {
    shared_gate_ =
        &(w / shape.shared_gate).matrix({1, shape.hidden}, w.whole(1), w.whole(shape.hidden));
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
  step.ops.matmul(logits, x, router_, {});
  step.ops.route(routing, {.logits = logits, .correction = correction_}, shape_.rule);
  return routing;
}

void MoeMlp::run_experts(Step& step, Tensor out, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const Routing routing = route(step, x);
  const int64_t pairs = routing.rows.dim(0);
  const Tensor y = step.scratch.make({pairs, shape_.hidden});
  if (count_ > 0) {
    const ScratchScope inner_scope(step.scratch);
    const Tensor gate_up = step.scratch.make({pairs, 2 * ffn_});
    const Tensor inner = step.scratch.make({pairs, ffn_});
    step.ops.matmul_experts({.out = gate_up,
                             .x = x,
                             .weights = *gate_up_,
                             .offsets = routing.offsets,
                             .rows = routing.rows,
                             .first = first_});
    step.ops.silu_mul(inner, gate_up);
    step.ops.matmul_experts({.out = y,
                             .x = inner,
                             .weights = *down_,
                             .offsets = routing.offsets,
                             .rows = {},
                             .first = first_});
  }
  step.ops.combine_experts(out, y, routing, first_, count_);
}

void MoeMlp::run_shared(Step& step, Tensor x) const {
  const ScratchScope scope(step.scratch);
  Tensor gates;
  if (shared_gate_ != nullptr) {
    gates = step.scratch.make({x.dim(0), 1}, DType::kF32);
    step.ops.matmul(gates, x, *shared_gate_, {});
  }
  (*shared_)(step, x);
  if (shared_gate_ != nullptr) step.ops.gate_rows(x, gates);
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
