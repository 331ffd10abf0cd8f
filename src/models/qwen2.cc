// Qwen2 and Qwen2.5 dense decoders, 0.5B to 72B.
// Follows transformers v4.51, models/qwen2/modeling_qwen2.py.
// What sets it apart from Llama: q, k and v have a bias, o has none, and only the upper layers may
// slide.

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
  RotarySpec rotary;
  GqaShape attention;
  std::vector<int64_t> windows;  // one a layer
};

Config parse(const HfConfig& hf) {
  require_silu(hf);
  const int64_t hidden = size_of(hf, "hidden_size"), head_dim = head_dim_of(hf);
  Config c = {
      .vocab = size_of(hf, "vocab_size"),
      .hidden = hidden,
      .ffn = size_of(hf, "intermediate_size"),
      .layers = size_of(hf, "num_hidden_layers"),
      .norm_eps = hf.number("rms_norm_eps"),
      .tied = hf.flag_or("tie_word_embeddings", false),
      .rotary = rotary_of(hf, head_dim),
      .attention = {.hidden = hidden,
                    .heads = size_of(hf, "num_attention_heads"),
                    .kv_heads = kv_heads_of(hf),
                    .head_dim = head_dim,
                    .qkv_bias = Bias::kPresent},
      .windows = {},
  };
  for (int64_t i = 0; i < c.layers; ++i) c.windows.push_back(upper_layers_window(hf, i));
  return c;
}

GqaShape attention_of(const Config& c, int64_t layer) {
  GqaShape shape = c.attention;
  shape.window = c.windows[static_cast<size_t>(layer)];
  return shape;
}

struct Block {
  RmsNorm attention_norm;
  GqaAttention attention;
  RmsNorm mlp_norm;
  GatedMlp mlp;

  Block(const Weights& w, const Config& c, int64_t layer)
      : attention_norm(w / "input_layernorm", c.hidden, c.norm_eps),
        attention(w / "self_attn", attention_of(c, layer)),
        mlp_norm(w / "post_attention_layernorm", c.hidden, c.norm_eps),
        mlp(w / "mlp", c.hidden, c.ffn) {}

  LayerState state() const { return attention.state(); }
  void operator()(Step& step, LayerIndex layer, Residual& r) const {
    r.add(attention(step, layer, attention_norm(step, r)));
    r.add(mlp(step, mlp_norm(step, r)));
  }
};

std::unique_ptr<Model> make(const Config& c, const Weights& w, int64_t max_positions) {
  return std::make_unique<Decoder<Block, Config>>(w, c, max_positions);
}

}  // namespace

ModelDefinition define_qwen2(const HfConfig& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.rotary);
  facts.kv_heads = c.attention.kv_heads;
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
