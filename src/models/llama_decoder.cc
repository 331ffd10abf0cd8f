#include "models/llama_decoder.h"

#include <functional>
#include <memory>
#include <utility>

#include "models/hf_keys.h"
#include "models/rotary_keys.h"

namespace pagoda {
namespace {

GqaShape attention_of(const LlamaConfig& c, int64_t layer) {
  GqaShape shape = c.attention;
  if (!c.windows.empty()) shape.window = c.windows[static_cast<size_t>(layer)];
  return shape;
}

std::unique_ptr<Model> make(const LlamaConfig& c, const Weights& w, const ModelOptions& options) {
  return std::make_unique<Decoder<LlamaBlock, LlamaConfig>>(w, c, options);
}

}  // namespace

LlamaConfig llama_config(const JsonReader& hf, int64_t head_dim, int64_t rotary_dim) {
  require_silu(hf);
  return {.decoder = decoder_config(hf, rotary_of(hf, rotary_dim)),
          .attention = gqa_shape(hf, head_dim),
          .mlp = {.hidden = size_of(hf, "hidden_size"), .ffn = size_of(hf, "intermediate_size")}};
}

LlamaBlock::LlamaBlock(const Weights& w, const LlamaConfig& c, int64_t layer)
    : attention_norm(w / "input_layernorm", c.decoder.hidden, c.decoder.norm_eps),
      attention(w / "self_attn", attention_of(c, layer)),
      mlp_norm(w / "post_attention_layernorm", c.decoder.hidden, c.decoder.norm_eps),
      mlp(w / "mlp", c.mlp) {}

void LlamaBlock::operator()(Step& step, LayerIndex layer, Residual& r) const {
  r.add(attention(step, layer, attention_norm(step, r)));
  r.add(mlp(step, mlp_norm(step, r)));
}

ModelDefinition define_llama_decoder(const JsonReader& hf, const LlamaConfig& config) {
  ModelFacts facts = decoder_facts(hf, config.decoder);
  facts.kv_heads = config.attention.kv_heads;
  return {std::move(facts), std::bind_front(&make, config)};
}

}  // namespace pagoda
