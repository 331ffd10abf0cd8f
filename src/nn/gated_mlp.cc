#include "nn/gated_mlp.h"

namespace pagoda {

GatedMlp::GatedMlp(const Weights& w, int64_t hidden, int64_t ffn, Bias bias)
    : ffn_(w.share(ffn).size()),
      gate_up_(
          w.stacked({{"gate_proj", ffn, w.share(ffn)}, {"up_proj", ffn, w.share(ffn)}}, hidden)),
      down_(w / "down_proj", hidden, ffn, w.share(ffn), bias) {
  if (bias == Bias::kPresent) {
    gate_up_bias_ =
        w.stacked_bias({{"gate_proj", ffn, w.share(ffn)}, {"up_proj", ffn, w.share(ffn)}});
  }
}

Tensor GatedMlp::operator()(Step& step, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const Tensor gate_up = step.scratch.make({x.dim(0), 2 * ffn_});
  step.ops.matmul(gate_up, x, gate_up_, gate_up_bias_);
  const Tensor inner = step.scratch.make({x.dim(0), ffn_});
  step.ops.silu_mul(inner, gate_up);
  down_(step, x, inner);
  return x;
}

}  // namespace pagoda
