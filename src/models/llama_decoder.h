// The decoder that most families are: norms before attention and before the feed-forward part,
// grouped-query attention, a gated feed-forward part (arXiv:2302.13971, section 2.2). Llama,
// Mistral, Qwen2, Qwen3 and Phi-3 differ in numbers and names, which are data here.
#pragma once

#include <cstdint>
#include <vector>

#include "models/decoder.h"
#include "models/decoder_config.h"
#include "nn/gated_mlp.h"
#include "nn/gqa_attention.h"

namespace pagoda {

struct LlamaConfig {
  DecoderConfig decoder;
  GqaShape attention;
  MlpShape mlp;
  std::vector<int64_t> windows = {};  // one a layer; empty: that of `attention` in all
};
// Without biases and windows. Throws kConfig unless the activation is silu.
LlamaConfig llama_config(const JsonReader& hf, int64_t head_dim, int64_t rotary_dim);

struct LlamaBlock {
  RmsNorm attention_norm;
  GqaAttention attention;
  RmsNorm mlp_norm;
  GatedMlp mlp;

  LlamaBlock(const Weights& w, const LlamaConfig& c, int64_t layer);

  LayerState state() const { return attention.state(); }
  void operator()(Step& step, LayerIndex layer, Residual& r) const;
};

ModelDefinition define_llama_decoder(const JsonReader& hf, const LlamaConfig& config);

}  // namespace pagoda
