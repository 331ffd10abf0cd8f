// A model as the engine sees it: a step in, logits out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "load/hf_config.h"
#include "load/weights.h"
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

// What can be known before any weight is read. Throws kConfig for an architecture that is not
// supported, with the list of those that are.
struct ModelFacts {
  std::string architecture = {};
  int64_t vocab = 0;          // rows of the embedding
  int64_t max_positions = 0;  // longest context the model was made for, as vLLM derives it
  // What ranks share out.
  int64_t attention_heads = 0;
  int64_t kv_heads = 0;                  // 0: heads share one latent, which every rank keeps
  std::vector<int64_t> ffn = {};         // widths of feed-forward parts
  std::vector<int64_t> expert_ffn = {};  // of experts that are chosen
  int position_axes = 1;                 // 3: M-RoPE, see nn/rotary_positions.h
  // Of models that see pictures: the token that stands for one merged patch.
  std::optional<TokenId> image_token = {};
};
ModelFacts facts_of(const HfConfig& config);

// `max_positions`: rotary tables are made for positions below it.
std::unique_ptr<Model> make_model(const HfConfig& config, const Weights& weights,
                                  int64_t max_positions);

}  // namespace pagoda
