// Qwen3 mixtures of experts, 30B-A3B and 235B-A22B.
// Follows transformers v4.51, models/qwen3_moe/modeling_qwen3_moe.py.
// What sets it apart from Qwen3: some layers (published: all) choose num_experts_per_tok of
// num_experts feed-forward parts for each token, without a shared one.

#include <functional>
#include <utility>
#include <variant>

#include "models/decoder.h"
#include "models/decoder_config.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/rotary_keys.h"
#include "nn/gqa_attention.h"
#include "nn/moe_mlp.h"

namespace pagoda {
namespace {

struct Config {
  DecoderConfig decoder;
  int64_t ffn;
  GqaShape attention;
  MoeShape moe;
  std::vector<bool> is_sparse;  // one a layer
};

Config parse(const JsonReader& hf) {
  require_silu(hf);
  const int64_t head_dim = head_dim_of(hf);
  Config c = {
      .decoder = decoder_config(hf, rotary_of(hf, head_dim)),
      .ffn = size_of(hf, "intermediate_size"),
      .attention = gqa_shape(hf, head_dim),
      .moe = {.hidden = size_of(hf, "hidden_size"),
              .ffn = size_of(hf, "moe_intermediate_size"),
              .experts = size_of(hf, "num_experts"),
              .rule = {.active = active_experts_of(hf, size_of(hf, "num_experts")),
                       .normalize = hf.flag_or("norm_topk_prob", false)}},
      .is_sparse = sparse_layers_of(hf),
  };
  c.attention.norm_eps = c.decoder.norm_eps;
  c.attention.head_norm = true;
  c.attention.qkv_bias = c.attention.output_bias = Bias(hf.flag_or("attention_bias", false));
  // Unlike Qwen3, all layers slide or none.
  if (hf.flag_or("use_sliding_window", false)) {
    c.attention.window = size_or(hf, "sliding_window", 0);
  }
  return c;
}

using Ffn = std::variant<GatedMlp, MoeMlp>;

Ffn make_ffn(const Weights& w, const Config& c, int64_t layer) {
  if (c.is_sparse[static_cast<size_t>(layer)]) return MoeMlp(w, c.moe);
  return GatedMlp(w, {.hidden = c.decoder.hidden, .ffn = c.ffn});
}

struct Block {
  RmsNorm attention_norm;
  GqaAttention attention;
  RmsNorm ffn_norm;
  Ffn ffn;

  Block(const Weights& w, const Config& c, int64_t layer)
      : attention_norm(w / "input_layernorm", c.decoder.hidden, c.decoder.norm_eps),
        attention(w / "self_attn", c.attention),
        ffn_norm(w / "post_attention_layernorm", c.decoder.hidden, c.decoder.norm_eps),
        ffn(make_ffn(w / "mlp", c, layer)) {}

  LayerState state() const { return attention.state(); }
  void operator()(Step& step, LayerIndex layer, Residual& r) const {
    r.add(attention(step, layer, attention_norm(step, r)));
    const Tensor x = ffn_norm(step, r);
    r.add(std::visit([&](const auto& f) { return f(step, x); }, ffn));
  }
};

std::unique_ptr<Model> make(const Config& c, const Weights& w, const ModelOptions& options) {
  return std::make_unique<Decoder<Block, Config>>(w, c, options);
}

}  // namespace

ModelDefinition define_qwen3_moe(const JsonReader& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.decoder);
  facts.kv_heads = c.attention.kv_heads;
  facts.expert_ffn = {c.moe.ffn};
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
