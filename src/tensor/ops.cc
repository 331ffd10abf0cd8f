#include "tensor/ops.h"

namespace pagoda {

void Ops::route(const Routing& routing, const RouterScores& scores, const RoutingRule& rule) {
  choose_experts(routing, scores, rule, 0, scores.logits.dim(0));
  sort_pairs(routing);
}

void Ops::add_rms_norm(Tensor out, Tensor stream, Tensor delta, Tensor gain, float eps) {
  if (!delta.empty()) add(stream, delta);
  rms_norm(out, stream, gain, eps);
}

}  // namespace pagoda
