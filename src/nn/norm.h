// RMS norm (arXiv:1910.07467, eq. 4), of the residual stream or of heads.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include "load/weights.h"
#include "nn/step.h"

namespace pagoda {

// How a checkpoint has gains: as they are, or less 1 (Gemma). Gemma's reference multiplies before
// it rounds to 16 bits and Llama's after; here both round first, half a unit apart.
enum class Gain : uint8_t { kStored, kLessOne };

class RmsNorm {
 public:
  RmsNorm(const Weights& w, int64_t size, double eps, Gain gain = Gain::kStored)
      : gain_(w.vector(size, gain == Gain::kLessOne ? 1.0f : 0.0f)),
        eps_(static_cast<float>(eps)) {}

  // stream += pending; returns the norm of stream [tokens, hidden], where pending was.
  Tensor operator()(Step& step, Residual& r) const;
  // Each row by itself, of a layer's result or of heads: x [..., size]. Returns x.
  Tensor in_place(Step& step, Tensor x) const;

 private:
  Tensor gain_;  // f32 [size]
  float eps_;
};

}  // namespace pagoda
