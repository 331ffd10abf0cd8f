// A projection whose inputs are dealt over the ranks: each multiplies its share, then they add up.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include "load/weights.h"
#include "nn/step.h"

namespace pagoda {

enum class Bias : bool { kNone, kPresent };

class RowParallelLinear {
 public:
  // <w>.weight [out, in], of which this rank takes the columns `inputs`.
  RowParallelLinear(const Weights& w, int64_t out, int64_t in, const Part& inputs, Bias bias);

  // x [tokens, inputs.size()], out [tokens, out], the same on every rank.
  void operator()(Step& step, Tensor out, Tensor x) const;

 private:
  const Matrix& weight_;
  Tensor bias_;  // f32 [out] on rank 0, so that the sum has it once; empty elsewhere
};

}  // namespace pagoda
