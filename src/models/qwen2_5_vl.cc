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

LlamaConfig parse_decoder(const JsonReader& hf) {
  const int64_t head_dim = head_dim_of(hf);
  LlamaConfig c = llama_config(hf, head_dim, head_dim);
  c.attention.qkv_bias = Bias::kPresent;
  c.windows = upper_layers_windows(hf);
  return c;
}

Config parse(const JsonReader& hf) {
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

TokenId token_of(const JsonReader& hf, std::string_view key, int64_t vocab) {
  const int64_t id = hf.integer(key);
  if (id >= 0 && id < vocab) return TokenId(static_cast<int32_t>(id));
  throw Error(ErrorKind::kConfig, str(hf.origin(), ": ", key, " ", id,
                                      " is no token of a vocabulary of ", vocab, "; correct it"));
}

std::optional<TokenId> token_or_none(const JsonReader& hf, std::string_view key, int64_t vocab) {
  if (!hf.has(key)) return std::nullopt;
  return token_of(hf, key, vocab);
}

}  // namespace

ModelDefinition define_qwen2_5_vl(const JsonReader& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.decoder);
  facts.kv_heads = c.attention.kv_heads;
  facts.image_token = token_of(hf, "image_token_id", c.decoder.vocab);
  facts.picture_begin = token_or_none(hf, "vision_start_token_id", c.decoder.vocab);
  facts.picture_end = token_or_none(hf, "vision_end_token_id", c.decoder.vocab);
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
