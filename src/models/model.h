// A model as the engine sees it: a step in, hidden states out, and logits of those that are wanted.
#pragma once

#include <cstdint>
#include <vector>

#include "models/image_encoder.h"
#include "nn/step.h"

namespace pagoda {

// Results are in the step's workspace, the same on every rank.
//
// Thread rule: hidden() and logits() on the thread of its rank.
class Model {
 public:
  virtual ~Model() = default;
  // What each layer keeps between steps, on this rank.
  virtual std::vector<LayerState> state() const = 0;
  // What all layers make of the step's tokens, normed [tokens, hidden]. The last norm is part of it
  // because all who read hidden states want it: the output projection, pooling, heads that predict
  // further tokens and drafts (vLLM 0.9.2 hands theirs on behind the norm). Of a stage before the
  // last it is the residual stream, which the next one takes as batch.stream.
  virtual Tensor hidden(Step& step) const = 0;
  // Logits f32 [n, vocab] of rows [n, hidden] of hidden(). Of the last stage only.
  virtual Tensor logits(Step& step, Tensor rows) const = 0;
  // Null: the model sees no pictures.
  virtual const ImageEncoder* image_encoder() const { return nullptr; }
};

// Of the rows that are wanted, in the step's workspace.
struct ModelOutput {
  Tensor logits;  // f32 [outputs, vocab] of batch.output_rows
  Tensor hidden;  // [n, hidden] of `hidden_rows`, or empty
};
// hidden_rows i32 [n], or empty.
ModelOutput run_model(const Model& model, Step& step, Tensor hidden_rows = {});

}  // namespace pagoda
