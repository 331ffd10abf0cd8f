// RMS norm (arXiv:1910.07467, eq. 4), of the residual stream or of heads.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include "load/weights.h"
#include "nn/step.h"

namespace pagoda {

class RmsNorm {
 public:
  RmsNorm(const Weights& w, int64_t size, double eps)
      : gain_(w.vector(size)), eps_(static_cast<float>(eps)) {}

  // stream += pending; returns the norm of stream [tokens, hidden], where pending was.
  Tensor operator()(Step& step, Residual& r) const;
  // Each head by itself. heads [tokens, n, size].
  void in_place(Step& step, Tensor heads) const;

 private:
  Tensor gain_;  // f32 [size]
  float eps_;
};

}  // namespace pagoda
