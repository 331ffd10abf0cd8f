#include "nn/linear.h"

namespace pagoda {

RowParallelLinear::RowParallelLinear(const Weights& w, int64_t out, int64_t in, const Part& inputs,
                                     Bias bias)
    : weight_(w.matrix({out, in}, w.whole(out), inputs)) {
  if (bias == Bias::kPresent && w.rank() == 0) bias_ = w.bias(out, w.whole(out));
}

void RowParallelLinear::operator()(Step& step, Tensor out, Tensor x) const {
  step.ops.matmul(out, x, weight_, bias_);
  if (step.tensor_parallel.size() > 1) step.tensor_parallel.all_reduce_sum(out);
}

}  // namespace pagoda
