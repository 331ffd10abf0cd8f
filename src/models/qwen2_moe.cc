// Qwen1.5 and Qwen2 mixtures of experts, A2.7B to 57B-A14B.
// Follows transformers v4.51, models/qwen2_moe/modeling_qwen2_moe.py.
// What sets it apart from Qwen2: some layers (published: all) choose num_experts_per_tok of
// num_experts feed-forward parts for each token, beside a shared one with a gate of its own.

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
  std::vector<bool> is_sparse;   // one a layer
  std::vector<int64_t> windows;  // one a layer
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
                       .normalize = hf.flag_or("norm_topk_prob", false)},
              .shared_ffn = size_of(hf, "shared_expert_intermediate_size"),
              .shared_name = "shared_expert",
              .shared_gate = "shared_expert_gate"},
      .is_sparse = sparse_layers_of(hf),
      .windows = upper_layers_windows(hf),
  };
  c.attention.qkv_bias = Bias(hf.flag_or("qkv_bias", true));
  return c;
}

GqaShape attention_of(const Config& c, int64_t layer) {
  GqaShape shape = c.attention;
  shape.window = c.windows[static_cast<size_t>(layer)];
  return shape;
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
        attention(w / "self_attn", attention_of(c, layer)),
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

ModelDefinition define_qwen2_moe(const JsonReader& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.decoder);
  facts.kv_heads = c.attention.kv_heads;
  facts.ffn.push_back(c.moe.shared_ffn);
  facts.expert_ffn = {c.moe.ffn};
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
