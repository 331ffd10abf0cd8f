// Gemma 3 decoders for text, 270M and 1B.
// Follows transformers v4.51, models/gemma3/modeling_gemma3.py.
// What sets it apart from Llama: most layers see a window and turn by other angles than those that
// see everything, four norms a layer whose gains are stored less 1, embeddings times sqrt(hidden),
// gelu as gate, and a scale of scores of its own.

#include <cmath>
#include <functional>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "models/decoder.h"
#include "models/decoder_config.h"
#include "models/families.h"
#include "models/hf_keys.h"
#include "models/rotary_keys.h"
#include "nn/gated_mlp.h"
#include "nn/gqa_attention.h"

namespace pagoda {
namespace {

// The step's rotary tables.
enum Angles : size_t { kGlobal, kLocal };

struct Config {
  DecoderConfig decoder;
  GqaShape attention;          // of layers that see everything
  int64_t window;              // of the others
  std::vector<bool> is_local;  // one a layer
  MlpShape mlp;
};

// Follows layer_types, or else every sliding_window_pattern-th layer sees everything.
std::vector<bool> local_layers_of(const JsonReader& hf, int64_t layers) {
  const std::vector<std::string> types = hf.texts_or_empty("layer_types");
  if (!types.empty() && std::ssize(types) != layers) {
    throw Error(ErrorKind::kConfig,
                str(hf.origin(), ": layer_types names ", types.size(), " layers, but ",
                    "num_hidden_layers is ", layers, "; correct one of them"));
  }
  const int64_t pattern = size_or(hf, "sliding_window_pattern", 6);  // as Gemma3TextConfig
  std::vector<bool> is_local;
  for (int64_t i = 0; i < layers; ++i) {
    is_local.push_back(types.empty() ? (i + 1) % pattern != 0
                                     : types[static_cast<size_t>(i)] == "sliding_attention");
  }
  return is_local;
}

Config parse(const JsonReader& hf) {
  require_activation(hf, "hidden_activation", "gelu_pytorch_tanh");
  const int64_t head_dim = size_or(hf, "head_dim", 256);  // as Gemma3TextConfig documents
  Config c = {.decoder = decoder_config(hf, rotary_of(hf, head_dim)),
              .attention = gqa_shape(hf, head_dim),
              .window = size_or(hf, "sliding_window", 4096),
              .is_local = {},
              .mlp = {.hidden = size_of(hf, "hidden_size"),
                      .ffn = size_of(hf, "intermediate_size"),
                      .activation = Activation::kGeluTanh}};
  c.decoder.tied = hf.flag_or("tie_word_embeddings", true);
  c.decoder.rotary.push_back(
      {.dim = head_dim, .theta = hf.number_or("rope_local_base_freq", 10000.0)});
  c.decoder.gain = Gain::kLessOne;
  c.decoder.embedding_scale = std::sqrt(static_cast<double>(c.decoder.hidden));
  c.decoder.logit_cap = hf.number_or("final_logit_softcapping", 0.0);
  c.attention.norm_eps = c.decoder.norm_eps;
  c.attention.head_norm = true;
  c.attention.head_gain = Gain::kLessOne;
  c.attention.qkv_bias = c.attention.output_bias = Bias(hf.flag_or("attention_bias", false));
  c.attention.scale = 1.0 / std::sqrt(hf.number_or("query_pre_attn_scalar", 256.0));
  c.is_local = local_layers_of(hf, c.decoder.layers);
  return c;
}

GqaShape attention_of(const Config& c, int64_t layer) {
  GqaShape shape = c.attention;
  if (!c.is_local[static_cast<size_t>(layer)]) return shape;
  shape.window = c.window;
  shape.rotary = kLocal;
  return shape;
}

RmsNorm norm_of(const Weights& w, const Config& c) {
  return {w, c.decoder.hidden, c.decoder.norm_eps, c.decoder.gain};
}

struct Block {
  RmsNorm attention_norm;
  GqaAttention attention;
  RmsNorm attention_result_norm;
  RmsNorm mlp_norm;
  GatedMlp mlp;
  RmsNorm mlp_result_norm;

  Block(const Weights& w, const Config& c, int64_t layer)
      : attention_norm(norm_of(w / "input_layernorm", c)),
        attention(w / "self_attn", attention_of(c, layer)),
        attention_result_norm(norm_of(w / "post_attention_layernorm", c)),
        mlp_norm(norm_of(w / "pre_feedforward_layernorm", c)),
        mlp(w / "mlp", c.mlp),
        mlp_result_norm(norm_of(w / "post_feedforward_layernorm", c)) {}

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

ModelDefinition define_gemma3(const JsonReader& hf) {
  const Config c = parse(hf);
  ModelFacts facts = decoder_facts(hf, c.decoder);
  facts.kv_heads = c.attention.kv_heads;
  // Stretched already; as vLLM 0.9.2.
  facts.max_positions = size_of(hf, "max_position_embeddings");
  return {std::move(facts), std::bind_front(&make, c)};
}

}  // namespace pagoda
