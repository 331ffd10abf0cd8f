#include "nn/norm.h"

namespace pagoda {

Tensor RmsNorm::operator()(Step& step, Residual& r) const {
  const Tensor out =
      r.pending.rank == 0 ? step.scratch.make({r.stream.dim(0), r.stream.dim(1)}) : r.pending;
  step.ops.add_rms_norm(out, r.stream, r.pending, gain_, eps_);
  r.pending = {};
  return out;
}

Tensor RmsNorm::in_place(Step& step, Tensor x) const {
  step.ops.rms_norm(x, x, gain_, eps_);
  return x;
}

}  // namespace pagoda
