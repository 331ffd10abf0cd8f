// Qwen2.5-VL, 3B to 72B: the decoder of Qwen2.5 with positions on three axes, and a vision tower.
// Follows transformers v4.51, models/qwen2_5_vl/modeling_qwen2_5_vl.py.
// What sets it apart from Qwen2: rows of the tower take the place of image tokens, and rotary goes
// by time, row and column (rope_scaling.mrope_section).

#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/llama_decoder.h"
#include "models/window_encoder.h"

namespace pagoda {
namespace {

struct Config : LlamaConfig {
  WindowEncoderConfig encoder;
};

// Of one token, attention over the cache left out.
double multiplies_of_token(const LlamaConfig& c) {
  const GqaShape& a = c.attention;
  const auto hidden = static_cast<double>(c.decoder.hidden);
  const auto heads = static_cast<double>((2 * a.heads + 2 * a.kv_heads) * a.head_dim);
  return static_cast<double>(c.decoder.layers) * hidden *
         (heads + 3.0 * static_cast<double>(c.mlp.ffn));
}

LlamaConfig parse_decoder(const HfConfig& hf) {
  const int64_t head_dim = head_dim_of(hf);
  LlamaConfig c = llama_config(hf, head_dim, head_dim);
  c.attention.qkv_bias = Bias::kPresent;
  c.windows = upper_layers_windows(hf);
  return c;
}

Config parse(const HfConfig& hf) {
  Config c = {{parse_decoder(hf)}, window_encoder_config(hf.section("vision_config"))};
  c.encoder.multiplies_of_token = multiplies_of_token(c);
  if (c.encoder.out == c.decoder.hidden) return c;
  throw Error(ErrorKind::kConfig,
              str(hf.origin(), ": out_hidden_size ", c.encoder.out, " of vision_config is not ",
                  "hidden_size ", c.decoder.hidden, ", the decoder's; correct one of them"));
}

// Published files name tensors model.layers and visual.blocks; those that tools saved from the
// memory of transformers 4.52 or later, model.language_model.layers and model.visual.blocks.
bool has_new_names(const Weights& w) {
  constexpr std::string_view kPublished = "model.embed_tokens.weight";  // random weights have all
  return !w.has(kPublished) && w.has("model.language_model.embed_tokens.weight");
}

DecoderWeights decoder_weights(const Weights& w) {
  return {has_new_names(w) ? w / "model" / "language_model" : w / "model", w / "lm_head"};
}

class SeeingDecoder final : public Decoder<LlamaBlock, LlamaConfig> {
 public:
  SeeingDecoder(const Weights& w, const Config& c, const ModelOptions& options)
      : Decoder(decoder_weights(w), c, options) {
    const Weights visual = has_new_names(w) ? w / "model" / "visual" : w / "visual";
    // Its rows take the place of embeddings, so it is where those are.
    if (options.layers.first == 0) {
      encoder_.emplace(visual, c.encoder);
    } else {
      visual.ignore();
    }
  }

  const ImageEncoder* image_encoder() const override { return encoder_ ? &*encoder_ : nullptr; }

 private:
  std::optional<WindowEncoder> encoder_;
};

std::unique_ptr<Model> make(const Config& c, const Weights& w, const ModelOptions& options) {
  return std::make_unique<SeeingDecoder>(w, c, options);
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
  ModelFacts facts = decoder_facts(hf, c.decoder);
  facts.kv_heads = c.attention.kv_heads;
  facts.image_token = image_token_of(hf, c.decoder.vocab);
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
