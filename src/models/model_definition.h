// A model before it has weights: what config.json says of it, read once. Facts for whoever plans,
// and how it is made.
//
// Thread rule: values. Its functions on any thread, by several ranks at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

namespace pagoda {

class HfConfig;
class Model;
class Weights;
class WeightSchemes;

struct ModelFacts {
  std::string architecture = {};
  int64_t vocab = 0;  // rows of the embedding
  int64_t layers = 0;
  int64_t max_positions = 0;  // longest context the model was made for, as vLLM derives it
  // What ranks share out.
  int64_t attention_heads = 0;
  int64_t kv_heads = 0;                   // 0: heads share one latent, which every rank keeps
  std::vector<int64_t> ffn = {};          // widths of feed-forward parts
  std::vector<int64_t> expert_ffn = {};   // of experts that are chosen
  std::vector<int64_t> input_units = {};  // of those widths, dealt whole: groups with a scale
  int position_axes = 1;                  // 3: M-RoPE, see nn/rotary_positions.h
  // Of models that see pictures: the token that stands for one merged patch, and the marks before
  // and behind a picture, where the model has them.
  std::optional<TokenId> image_token = {};
  std::optional<TokenId> picture_begin = {}, picture_end = {};
};

// Layers [first, last) of a model: a stage, where others have the rest. The first stage embeds, the
// last one norms and projects.
struct LayerRange {
  int64_t first = 0, last = INT64_MAX;  // up to the last layer there is
};

struct ModelOptions {
  int64_t max_positions;   // rotary tables are made for positions below it
  LayerRange layers = {};  // of which weights are read
};

struct ModelDefinition {
  ModelFacts facts = {};
  // Throws kCheckpoint for weights that are not this model's.
  std::function<std::unique_ptr<Model>(const Weights&, const ModelOptions&)> make = {};
  // How its checkpoint stores weights.
  std::function<WeightSchemes()> schemes = {};
};

// Throws kConfig for an architecture that is not supported, with the list of those that are, and
// for whatever else in config.json no model can be made of.
ModelDefinition define_model(const HfConfig& config);

}  // namespace pagoda
