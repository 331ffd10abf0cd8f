// Feed-forward part: down(activation(gate(x)) * up(x)) (SwiGLU and GEGLU, arXiv:2002.05202, eq. 6).
// The ffn dimension is dealt over the ranks.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include "nn/linear.h"

namespace pagoda {

struct MlpShape {
  int64_t hidden, ffn;
  Bias bias = Bias::kNone;  // of all three projections
  Activation activation = Activation::kSilu;
  Storage storage = Storage::kApart;  // fused: gate_up_proj
};

class GatedMlp {
 public:
  GatedMlp(const Weights& w, const MlpShape& shape);

  // x [tokens, hidden] -> [tokens, hidden], in the memory of x.
  Tensor operator()(Step& step, Tensor x) const;

 private:
  Part ffn_;  // of this rank
  Activation activation_;
  StackedLinear gate_up_;
  RowLinear down_;
};

}  // namespace pagoda
