// Qwen3 mixtures of experts, 30B-A3B and 235B-A22B.
// Follows transformers v4.51, models/qwen3_moe/modeling_qwen3_moe.py.
// What sets it apart from Qwen3: some layers (published: all) choose num_experts_per_tok of
// num_experts feed-forward parts for each token, without a shared one.

#include <functional>
#include <utility>
#include <variant>

#include "models/decoder.h"
#include "models/decoder_facts.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/rotary_keys.h"
#include "nn/gqa_attention.h"
#include "nn/moe_mlp.h"

namespace pagoda {
namespace {

struct Config {
  int64_t vocab, hidden, ffn, layers;
  double norm_eps;
  bool tied;
  RotarySpec rotary;
  GqaShape attention;
  MoeShape moe;
  std::vector<bool> is_sparse;  // one a layer
};

Config parse(const HfConfig& hf) {
  require_silu(hf);
  const int64_t hidden = size_of(hf, "hidden_size");
  const int64_t head_dim = head_dim_of(hf);
  const double norm_eps = hf.number("rms_norm_eps");
  const Bias attention_bias = Bias(hf.flag_or("attention_bias", false));
  return {
      .vocab = size_of(hf, "vocab_size"),
      .hidden = hidden,
      .ffn = size_of(hf, "intermediate_size"),
      .layers = size_of(hf, "num_hidden_layers"),
      .norm_eps = norm_eps,
      .tied = hf.flag_or("tie_word_embeddings", false),
      .rotary = rotary_of(hf, head_dim),
      .attention = {.hidden = hidden,
                    .heads = size_of(hf, "num_attention_heads"),
                    .kv_heads = kv_heads_of(hf),
                    .head_dim = head_dim,
                    .norm_eps = norm_eps,
                    .head_norm = true,
                    .qkv_bias = attention_bias,
                    .output_bias = attention_bias,
                    // Unlike Qwen3, all layers slide or none.
                    .window = hf.flag_or("use_sliding_window", false)
                                  ? size_or(hf, "sliding_window", 0)
                                  : 0},
      .moe = {.hidden = hidden,
              .ffn = size_of(hf, "moe_intermediate_size"),
              .experts = size_of(hf, "num_experts"),
              .rule = {.active = active_experts_of(hf, size_of(hf, "num_experts")),
                       .normalize = hf.flag_or("norm_topk_prob", false)}},
      .is_sparse = sparse_layers_of(hf),
  };
}

using Ffn = std::variant<GatedMlp, MoeMlp>;

Ffn make_ffn(const Weights& w, const Config& c, int64_t layer) {
  if (c.is_sparse[static_cast<size_t>(layer)]) return MoeMlp(w, c.moe);
  return GatedMlp(w, c.hidden, c.ffn);
}

struct Block {
  RmsNorm attention_norm;
  GqaAttention attention;
  RmsNorm ffn_norm;
  Ffn ffn;

  Block(const Weights& w, const Config& c, int64_t layer)
      : attention_norm(w / "input_layernorm", c.hidden, c.norm_eps),
        attention(w / "self_attn", c.attention),
        ffn_norm(w / "post_attention_layernorm", c.hidden, c.norm_eps),
        ffn(make_ffn(w / "mlp", c, layer)) {}

  LayerState state() const { return attention.state(); }
  void operator()(Step& step, LayerIndex layer, Residual& r) const {
    r.add(attention(step, layer, attention_norm(step, r)));
    const Tensor x = ffn_norm(step, r);
    r.add(std::visit([&](const auto& f) { return f(step, x); }, ffn));
  }
};

std::unique_ptr<Model> make(const Config& c, const Weights& w, int64_t max_positions) {
  return std::make_unique<Decoder<Block, Config>>(w, c, max_positions);
}

}  // namespace

ModelDefinition define_qwen3_moe(const HfConfig& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.rotary);
  facts.kv_heads = c.attention.kv_heads;
  facts.expert_ffn = {c.moe.ffn};
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
