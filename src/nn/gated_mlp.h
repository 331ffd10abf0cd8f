// Feed-forward part: down(silu(gate(x)) * up(x)) (SwiGLU, arXiv:2002.05202, eq. 6). The ffn
// dimension is dealt over the ranks.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include "nn/linear.h"

namespace pagoda {

class GatedMlp {
 public:
  GatedMlp(const Weights& w, int64_t hidden, int64_t ffn, Bias bias = Bias::kNone);

  // x [tokens, hidden] -> [tokens, hidden], in the memory of x.
  Tensor operator()(Step& step, Tensor x) const;

 private:
  int64_t ffn_;  // of this rank, the padding included
  StackedLinear gate_up_;
  RowLinear down_;
};

}  // namespace pagoda
