// Llama 2 and 3, and Mistral, which is Llama with a sliding window in all layers.
// Follows transformers v4.51, models/llama/modeling_llama.py and
// models/mistral/modeling_mistral.py.

#include <functional>
#include <utility>

#include "models/decoder.h"
#include "models/decoder_facts.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/rotary_keys.h"
#include "nn/gated_mlp.h"
#include "nn/gqa_attention.h"

namespace pagoda {
namespace {

struct Config {
  int64_t vocab, hidden, ffn, layers;
  double norm_eps;
  bool tied;
  Bias mlp_bias;
  RotarySpec rotary;
  GqaShape attention;
};

Config parse(const HfConfig& hf) {
  require_silu(hf);
  const int64_t hidden = size_of(hf, "hidden_size"), head_dim = head_dim_of(hf);
  const Bias attention_bias = Bias(hf.flag_or("attention_bias", false));
  return {
      .vocab = size_of(hf, "vocab_size"),
      .hidden = hidden,
      .ffn = size_of(hf, "intermediate_size"),
      .layers = size_of(hf, "num_hidden_layers"),
      .norm_eps = hf.number("rms_norm_eps"),
      .tied = hf.flag_or("tie_word_embeddings", false),
      .mlp_bias = Bias(hf.flag_or("mlp_bias", false)),
      .rotary = rotary_of(hf, head_dim),
      .attention = {.hidden = hidden,
                    .heads = size_of(hf, "num_attention_heads"),
                    .kv_heads = kv_heads_of(hf),
                    .head_dim = head_dim,
                    .qkv_bias = attention_bias,
                    .output_bias = attention_bias},
  };
}

// null: none; absent: what MistralConfig documents.
int64_t mistral_window(const HfConfig& hf) {
  constexpr int64_t kDocumentedDefault = 4096;
  const bool is_absent = !hf.values().contains("sliding_window");
  return is_absent ? kDocumentedDefault : size_or(hf, "sliding_window", 0);
}

struct Block {
  RmsNorm attention_norm;
  GqaAttention attention;
  RmsNorm mlp_norm;
  GatedMlp mlp;

  Block(const Weights& w, const Config& c, int64_t /*layer*/)
      : attention_norm(w / "input_layernorm", c.hidden, c.norm_eps),
        attention(w / "self_attn", c.attention),
        mlp_norm(w / "post_attention_layernorm", c.hidden, c.norm_eps),
        mlp(w / "mlp", c.hidden, c.ffn, c.mlp_bias) {}

  LayerState state() const { return attention.state(); }
  void operator()(Step& step, LayerIndex layer, Residual& r) const {
    r.add(attention(step, layer, attention_norm(step, r)));
    r.add(mlp(step, mlp_norm(step, r)));
  }
};

std::unique_ptr<Model> make(const Config& c, const Weights& w, int64_t max_positions) {
  return std::make_unique<Decoder<Block, Config>>(w, c, max_positions);
}

ModelDefinition define(const HfConfig& hf, const Config& c) {
  ModelFacts facts = decoder_facts(hf, c.rotary);
  facts.kv_heads = c.attention.kv_heads;
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace

ModelDefinition define_llama(const HfConfig& hf) {
  return define(hf, parse(hf));
}

ModelDefinition define_mistral(const HfConfig& hf) {
  Config c = parse(hf);
  c.attention.window = mistral_window(hf);
  return define(hf, c);
}

}  // namespace pagoda
