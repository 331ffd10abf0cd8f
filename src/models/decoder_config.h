// What every decoder's config.json says by the same keys, and what Decoder (decoder.h) makes of it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json_reader.h"
#include "models/model_definition.h"
#include "nn/gqa_attention.h"
#include "nn/norm.h"
#include "nn/rotary.h"

namespace pagoda {

struct DecoderConfig {
  int64_t vocab, hidden, layers;
  double norm_eps;
  bool tied;                       // the output projection is the embedding
  std::vector<RotarySpec> rotary;  // one, or more where layers turn by different angles
  Gain gain = Gain::kStored;       // of the last norm
  double embedding_scale = 1.0;    // on embeddings, but not in the output projection
  double logit_cap = 0.0;          // logits x become cap * tanh(x / cap); 0: stay
};
DecoderConfig decoder_config(const JsonReader& hf, const RotarySpec& rotary);

// Heads of this size without biases; a family adds what is its own.
GqaShape gqa_shape(const JsonReader& hf, int64_t head_dim);

// A family adds what is its own: KV heads, experts, the token of pictures.
ModelFacts decoder_facts(const JsonReader& hf, const DecoderConfig& c);

}  // namespace pagoda
