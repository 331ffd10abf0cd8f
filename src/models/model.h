// A model as the engine sees it: a step in, logits out.
#pragma once

#include <cstdint>

#include "models/image_encoder.h"
#include "nn/step.h"

namespace pagoda {

// What one layer keeps of a token, on this rank.
struct KvGeometry {
  int64_t layers, kv_heads, key_dim, value_dim;
};

// Thread rule: forward() on the thread of its rank.
class Model {
 public:
  virtual ~Model() = default;
  virtual KvGeometry kv_geometry() const = 0;
  // Logits f32 [outputs, vocab] of batch.output_rows, on every rank, in the step's workspace.
  virtual Tensor forward(Step& step) const = 0;
  // Null: the model sees no pictures.
  virtual const ImageEncoder* image_encoder() const { return nullptr; }
};

}  // namespace pagoda
