#include "nn/gated_mlp.h"

namespace pagoda {

namespace {

std::vector<Weights::Band> gate_up_bands(const MlpShape& shape, const Part& part) {
  const int64_t ffn = shape.ffn;
  if (shape.storage == Storage::kApart) return {{"gate_proj", ffn, part}, {"up_proj", ffn, part}};
  return {{"gate_up_proj", 2 * ffn, part}, {"gate_up_proj", 2 * ffn, behind(part, ffn)}};
}

}  // namespace

GatedMlp::GatedMlp(const Weights& w, const MlpShape& shape)
    : ffn_((w / "down_proj").share_inputs(shape.ffn)),
      activation_(shape.activation),
      gate_up_(w, gate_up_bands(shape, ffn_), shape.hidden, shape.bias),
      down_(w / "down_proj", {shape.hidden, shape.ffn}, ffn_, shape.bias) {}

Tensor GatedMlp::operator()(Step& step, Tensor x) const {
  const ScratchScope scope(step.scratch);
  const Tensor gate_up = step.scratch.make({x.dim(0), 2 * ffn_.size()});
  gate_up_(step, gate_up, x);
  const Tensor inner = step.scratch.make({x.dim(0), ffn_.size()});
  step.ops.gated_mul(inner, gate_up, activation_);
  down_(step, x, inner);
  return x;
}

}  // namespace pagoda
