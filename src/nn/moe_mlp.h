// Feed-forward part as a mixture of experts: each token runs through the few that its router
// chooses, and perhaps through a shared one (arXiv:2401.06066, section 3).
//
//   y = sum over chosen experts e of weight_e * expert_e(x)  [+ sigmoid(gate(x)) or 1, * shared(x)]
//
// A token's experts are summed in the order of its own ranking. The router's numbers are f32 sums
// that are not rounded to the model's dtype: rounding would only make ties.
//
// Over the ranks, each expert's ffn dimension is dealt, or with expert parallelism whole experts
// are; then each rank sums those of its own, and the sums are added in rank order.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include <optional>
#include <string_view>

#include "nn/gated_mlp.h"

namespace pagoda {

struct MoeShape {
  int64_t hidden, ffn, experts;  // ffn: of one expert
  RoutingRule rule;
  bool has_correction = false;  // gate.e_score_correction_bias
  // The expert that every token runs through; none where its ffn is 0.
  int64_t shared_ffn = 0;
  std::string_view shared_name = {};
  std::string_view shared_gate = {};  // the projection to its gate; empty: no gate
};

class MoeMlp {
 public:
  MoeMlp(const Weights& w, const MoeShape& shape);

  // x [tokens, hidden] -> [tokens, hidden], in the memory of x.
  Tensor operator()(Step& step, Tensor x) const;

 private:
  Routing route(Step& step, Tensor x) const;
  // The chosen experts of this rank. out may be x.
  void run_experts(Step& step, Tensor out, Tensor x) const;
  // x becomes shared(x), gated.
  void run_shared(Step& step, Tensor x) const;

  const MoeShape shape_;
  ExpertRange experts_;  // of this rank
  int64_t ffn_;          // of this rank, the padding included
  ColumnLinear router_;
  Tensor correction_;                           // f32 [experts], or empty
  std::optional<ExpertLinear> gate_up_, down_;  // where this rank has experts
  std::optional<GatedMlp> shared_;
  std::optional<ColumnLinear> shared_gate_;
};

}  // namespace pagoda
