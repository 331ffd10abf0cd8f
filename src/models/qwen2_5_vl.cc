// Qwen2.5-VL, 3B to 72B: the decoder of Qwen2.5 with positions on three axes, and a vision tower.
// Follows transformers v4.51, models/qwen2_5_vl/modeling_qwen2_5_vl.py.
// What sets it apart from Qwen2: rows of the tower take the place of image tokens, and rotary goes
// by time, row and column (rope_scaling.mrope_section).

#include <functional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "models/decoder.h"
#include "models/decoder_facts.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/rotary_keys.h"
#include "models/window_encoder.h"
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
  WindowEncoderConfig encoder;
};

// Of one token, attention over the cache left out.
double multiplies_of_token(const Config& c) {
  const GqaShape& a = c.attention;
  const auto hidden = static_cast<double>(c.hidden);
  const auto heads = static_cast<double>((2 * a.heads + 2 * a.kv_heads) * a.head_dim);
  return static_cast<double>(c.layers) * hidden * (heads + 3.0 * static_cast<double>(c.ffn));
}

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
      .encoder = window_encoder_config(hf.section("vision_config")),
  };
  for (int64_t i = 0; i < c.layers; ++i) c.windows.push_back(upper_layers_window(hf, i));
  c.encoder.multiplies_of_token = multiplies_of_token(c);
  if (c.encoder.out == hidden) return c;
  throw Error(ErrorKind::kConfig,
              str(hf.origin(), ": out_hidden_size ", c.encoder.out, " of vision_config is not ",
                  "hidden_size ", hidden, ", the decoder's; correct one of them"));
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

// Published files name tensors model.layers and visual.blocks; those that tools saved from the
// memory of transformers 4.52 or later, model.language_model.layers and model.visual.blocks.
bool has_new_names(const Weights& w) {
  constexpr std::string_view kPublished = "model.embed_tokens.weight";  // random weights have all
  return !w.has(kPublished) && w.has("model.language_model.embed_tokens.weight");
}

DecoderWeights decoder_weights(const Weights& w) {
  return {has_new_names(w) ? w / "model" / "language_model" : w / "model", w / "lm_head"};
}

class SeeingDecoder final : public Decoder<Block, Config> {
 public:
  SeeingDecoder(const Weights& w, const Config& c, int64_t max_positions)
      : Decoder(decoder_weights(w), c, max_positions),
        encoder_(has_new_names(w) ? w / "model" / "visual" : w / "visual", c.encoder) {}

  const ImageEncoder* image_encoder() const override { return &encoder_; }

 private:
  WindowEncoder encoder_;
};

std::unique_ptr<Model> make(const Config& c, const Weights& w, int64_t max_positions) {
  return std::make_unique<SeeingDecoder>(w, c, max_positions);
}

TokenId image_token_of(const HfConfig& hf, int64_t vocab) {
  const int64_t id = hf.integer("image_token_id");
  if (id >= 0 && id < vocab) return TokenId(static_cast<int32_t>(id));
  throw Error(ErrorKind::kConfig, str(hf.origin(), ": image_token_id ", id,
                                      " is no token of a vocabulary of ", vocab, "; correct it"));
}

}  // namespace

ModelDefinition define_qwen2_5_vl(const HfConfig& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.rotary);
  facts.kv_heads = c.attention.kv_heads;
  facts.image_token = image_token_of(hf, c.vocab);
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
