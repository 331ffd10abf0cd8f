#include "tensor/ops.h"

namespace pagoda {

void Ops::add_rms_norm(Tensor out, Tensor stream, Tensor delta, Tensor gain, float eps) {
  if (!delta.empty()) add(stream, delta);
  rms_norm(out, stream, gain, eps);
}

}  // namespace pagoda
