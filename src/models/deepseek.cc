// DeepSeek-V2 and DeepSeek-V3 (also R1, and Moonlight under V3's name).
// Follows transformers v5, models/deepseek_v2 and deepseek_v3, and vLLM 0.9.2, deepseek_v2.py.
// What sets them apart: latent attention; all layers but the first few are mixtures of many small
// experts beside shared ones; the two versions route differently.

#include <cmath>
#include <functional>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "models/decoder.h"
#include "models/decoder_config.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/rotary_keys.h"
#include "nn/mla_attention.h"
#include "nn/moe_mlp.h"

namespace pagoda {
namespace {

struct Config {
  DecoderConfig decoder;
  int64_t ffn;
  MlaShape attention;
  MoeShape moe;                // experts is 0 where all layers are dense
  int64_t first_sparse, step;  // layers first_sparse, ... that are multiples of step
};

// What the two versions do where config.json does not say.
struct Defaults {
  std::string_view method, score;
};

Error unsupported(const JsonReader& hf, std::string_view key, std::string_view value,
                  std::string_view supported) {
  return {ErrorKind::kConfig, str(hf.origin(), ": ", key, " \"", value,
                                  "\" is not supported; supported are ", supported)};
}

ExpertScore score_of(const JsonReader& hf, std::string_view otherwise) {
  const std::string_view name = hf.text_or("scoring_func", otherwise);
  if (name == "softmax") return ExpertScore::kSoftmax;
  if (name == "sigmoid") return ExpertScore::kSigmoid;
  throw unsupported(hf, "scoring_func", name, "softmax, sigmoid");
}

// n_group groups of equal size, of which topk_group hold enough experts for a token.
void check_groups(const JsonReader& hf, int64_t experts, const RoutingRule& rule) {
  if (experts % rule.groups == 0 && rule.active_groups <= rule.groups &&
      rule.active <= experts / rule.groups * rule.active_groups) {
    return;
  }
  throw Error(ErrorKind::kConfig,
              str(hf.origin(), ": num_experts_per_tok ", rule.active, " of n_routed_experts ",
                  experts, " cannot be chosen from topk_group ", rule.active_groups, " of n_group ",
                  rule.groups, " equal groups; correct them"));
}

RoutingRule routing_of(const JsonReader& hf, int64_t experts, const Defaults& defaults) {
  const std::string_view method = hf.text_or("topk_method", defaults.method);
  RoutingRule rule = {.active = active_experts_of(hf, experts),
                      .score = score_of(hf, defaults.score),
                      .normalize = hf.flag_or("norm_topk_prob", false),
                      .scale = static_cast<float>(hf.number_or("routed_scaling_factor", 1.0))};
  if (method == "greedy") return rule;
  if (method != "group_limited_greedy" && method != "noaux_tc") {
    throw unsupported(hf, "topk_method", method, "greedy, group_limited_greedy, noaux_tc");
  }
  rule.groups = size_or(hf, "n_group", 1);
  rule.active_groups = size_or(hf, "topk_group", 1);
  if (method == "noaux_tc") rule.group_score = GroupScore::kSumOfTwoBest;
  check_groups(hf, experts, rule);
  return rule;
}

MoeShape moe_of(const JsonReader& hf, const Defaults& defaults) {
  if (!hf.has("n_routed_experts")) return {};
  const int64_t experts = size_of(hf, "n_routed_experts");
  const int64_t ffn = size_of(hf, "moe_intermediate_size");
  return {.hidden = size_of(hf, "hidden_size"),
          .ffn = ffn,
          .experts = experts,
          .rule = routing_of(hf, experts, defaults),
          .has_correction = hf.text_or("topk_method", defaults.method) == "noaux_tc",
          .shared_ffn = hf.has("n_shared_experts") ? ffn * size_of(hf, "n_shared_experts") : 0,
          .shared_name = "shared_experts"};
}

MlaShape attention_of(const JsonReader& hf) {
  if (hf.flag_or("attention_bias", false)) {
    throw unsupported(hf, "attention_bias", "true", "false");
  }
  const int64_t nope = size_of(hf, "qk_nope_head_dim"), rope = size_of(hf, "qk_rope_head_dim");
  return {.hidden = size_of(hf, "hidden_size"),
          .heads = size_of(hf, "num_attention_heads"),
          .q_rank = size_or(hf, "q_lora_rank", 0),
          .kv_rank = size_of(hf, "kv_lora_rank"),
          .nope_dim = nope,
          .rope_dim = rope,
          .value_dim = size_of(hf, "v_head_dim"),
          // transformers always takes 1e-6; no published model tells the difference.
          .norm_eps = hf.number("rms_norm_eps"),
          .scale = yarn_score_factor_of(hf) / std::sqrt(static_cast<double>(nope + rope))};
}

Config parse(const JsonReader& hf, const Defaults& defaults) {
  require_silu(hf);
  return {.decoder = decoder_config(hf, rotary_of(hf, size_of(hf, "qk_rope_head_dim"))),
          .ffn = size_of(hf, "intermediate_size"),
          .attention = attention_of(hf),
          .moe = moe_of(hf, defaults),
          .first_sparse = hf.integer_or("first_k_dense_replace", 0),
          .step = size_or(hf, "moe_layer_freq", 1)};
}

using Ffn = std::variant<GatedMlp, MoeMlp>;

Ffn make_ffn(const Weights& w, const Config& c, int64_t layer) {
  const bool is_sparse = c.moe.experts > 0 && layer >= c.first_sparse && layer % c.step == 0;
  if (is_sparse) return MoeMlp(w, c.moe);
  return GatedMlp(w, {.hidden = c.decoder.hidden, .ffn = c.ffn});
}

struct Block {
  RmsNorm attention_norm;
  MlaAttention attention;
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

// Layers behind the last one predict further tokens (arXiv:2412.19437, section 2.2); nothing here
// speculates with them.
void skip_prediction_layers(const Weights& w, int64_t layers) {
  int64_t tensors = 0, behind = layers;
  while (const int64_t count = (w / "model" / "layers" / std::to_string(behind)).ignore()) {
    tensors += count;
    ++behind;
  }
  if (tensors == 0 || w.rank() != 0) return;
  LOG_INFO(
      "layers {} to {} of the checkpoint ({} tensors) are behind num_hidden_layers, as those "
      "for multi-token prediction are: skipped",
      layers, behind - 1, tensors);
}

std::unique_ptr<Model> make(const Config& c, const Weights& w, const ModelOptions& options) {
  skip_prediction_layers(w, c.decoder.layers);
  return std::make_unique<Decoder<Block, Config>>(w, c, options);
}

ModelDefinition define(const JsonReader& hf, const Defaults& defaults) {
  const Config c = parse(hf, defaults);
  ModelFacts facts = decoder_facts(hf, c.decoder);
  if (c.moe.experts > 0) facts.expert_ffn = {c.moe.ffn};
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace

ModelDefinition define_deepseek_v2(const JsonReader& hf) {
  return define(hf, {.method = "greedy", .score = "softmax"});
}

ModelDefinition define_deepseek_v3(const JsonReader& hf) {
  return define(hf, {.method = "noaux_tc", .score = "sigmoid"});
}

}  // namespace pagoda
