// GLM-4 dense decoders of April 2025 (-0414), 9B and 32B, GLM-Z1 among them.
// Follows transformers v4.51, models/glm4/modeling_glm4.py.
// What sets it apart from Llama: what attention and the feed-forward part give is normalized before
// it is added, half of a head turns in neighboring pairs, gate and up are one tensor.

#include <functional>
#include <utility>

#include "models/decoder.h"
#include "models/decoder_config.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/rotary_keys.h"
#include "nn/gated_mlp.h"
#include "nn/gqa_attention.h"

namespace pagoda {
namespace {

struct Config {
  DecoderConfig decoder;
  GqaShape attention;
  MlpShape mlp;
};

Config parse(const JsonReader& hf) {
  require_silu(hf);
  const int64_t head_dim = head_dim_of(hf);
  Config c = {.decoder = decoder_config(hf, rotary_of(hf, rotary_dim_of(hf, head_dim, 0.5))),
              .attention = gqa_shape(hf, head_dim),
              .mlp = {.hidden = size_of(hf, "hidden_size"),
                      .ffn = size_of(hf, "intermediate_size"),
                      .storage = Storage::kFused}};
  c.attention.qkv_bias = Bias(hf.flag_or("attention_bias", false));
  c.attention.pairing = RotaryPairing::kNeighbors;
  return c;
}

// The norm called after attention is the one before the feed-forward part.
struct Block {
  RmsNorm attention_norm;
  GqaAttention attention;
  RmsNorm attention_result_norm;
  RmsNorm mlp_norm;
  GatedMlp mlp;
  RmsNorm mlp_result_norm;

  Block(const Weights& w, const Config& c, int64_t /*layer*/)
      : attention_norm(w / "input_layernorm", c.decoder.hidden, c.decoder.norm_eps),
        attention(w / "self_attn", c.attention),
        attention_result_norm(w / "post_self_attn_layernorm", c.decoder.hidden, c.decoder.norm_eps),
        mlp_norm(w / "post_attention_layernorm", c.decoder.hidden, c.decoder.norm_eps),
        mlp(w / "mlp", c.mlp),
        mlp_result_norm(w / "post_mlp_layernorm", c.decoder.hidden, c.decoder.norm_eps) {}

  LayerState state() const { return attention.state(); }
  void operator()(Step& step, LayerIndex layer, Residual& r) const {
    r.add(attention_result_norm.in_place(step, attention(step, layer, attention_norm(step, r))));
    r.add(mlp_result_norm.in_place(step, mlp(step, mlp_norm(step, r))));
  }
};

std::unique_ptr<Model> make(const Config& c, const Weights& w, const ModelOptions& options) {
  return std::make_unique<Decoder<Block, Config>>(w, c, options);
}

}  // namespace

ModelDefinition define_glm4(const JsonReader& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.decoder);
  facts.kv_heads = c.attention.kv_heads;
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
