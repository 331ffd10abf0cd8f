#include "nn/gated_mlp.h"

namespace pagoda {

GatedMlp::GatedMlp(const Weights& w, int64_t hidden, int64_t ffn, Bias bias)
    : ffn_(w.share(ffn).size()),
      gate_up_(w, {{"gate_proj", ffn, w.share(ffn)}, {"up_proj", ffn, w.share(ffn)}}, hidden, bias),
      down_(w / "down_proj", {hidden, ffn}, w.share(ffn), bias) {}

Tensor GatedMlp::operator()(Step& step, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const Tensor gate_up = step.scratch.make({x.dim(0), 2 * ffn_});
  gate_up_(step, gate_up, x);
  const Tensor inner = step.scratch.make({x.dim(0), ffn_});
  step.ops.gated_mul(inner, gate_up, Activation::kSilu);
  down_(step, x, inner);
  return x;
}

}  // namespace pagoda
