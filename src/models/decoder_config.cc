#include "models/decoder_config.h"

#include "models/hf_keys.h"
#include "models/rotary_keys.h"

namespace pagoda {

DecoderConfig decoder_config(const JsonReader& hf, const RotarySpec& rotary) {
  return {.vocab = size_of(hf, "vocab_size"),
          .hidden = size_of(hf, "hidden_size"),
          .layers = size_of(hf, "num_hidden_layers"),
          .norm_eps = hf.number("rms_norm_eps"),
          .tied = hf.flag_or("tie_word_embeddings", false),
          .rotary = {rotary}};
}

GqaShape gqa_shape(const JsonReader& hf, int64_t head_dim) {
  return {.hidden = size_of(hf, "hidden_size"),
          .heads = size_of(hf, "num_attention_heads"),
          .kv_heads = kv_heads_of(hf),
          .head_dim = head_dim};
}

ModelFacts decoder_facts(const JsonReader& hf, const DecoderConfig& c) {
  return {.architecture = architecture_of(hf),
          .vocab = c.vocab,
          .layers = c.layers,
          .max_positions = max_positions_of(hf),
          .attention_heads = size_of(hf, "num_attention_heads"),
          .ffn = {size_of(hf, "intermediate_size")},
          .position_axes = c.rotary.front().sections.empty() ? 1 : 3};
}

}  // namespace pagoda
