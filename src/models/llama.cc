// Llama 2 and 3, and Mistral, which is Llama with a sliding window in all layers.
// Follows transformers v4.51, models/llama/modeling_llama.py and
// models/mistral/modeling_mistral.py.

#include "models/families.h"
#include "models/hf_keys.h"
#include "models/llama_decoder.h"

namespace pagoda {
namespace {

LlamaConfig parse(const JsonReader& hf) {
  const int64_t head_dim = head_dim_of(hf);
  LlamaConfig c = llama_config(hf, head_dim, head_dim);
  c.attention.qkv_bias = c.attention.output_bias = Bias(hf.flag_or("attention_bias", false));
  c.mlp.bias = Bias(hf.flag_or("mlp_bias", false));
  return c;
}

// null: none; absent: what MistralConfig documents.
int64_t mistral_window(const JsonReader& hf) {
  constexpr int64_t kDocumentedDefault = 4096;
  const bool is_absent = !hf.has("sliding_window") && !hf.is_null("sliding_window");
  return is_absent ? kDocumentedDefault : size_or(hf, "sliding_window", 0);
}

}  // namespace

ModelDefinition define_llama(const JsonReader& hf) {
  return define_llama_decoder(hf, parse(hf));
}

ModelDefinition define_mistral(const JsonReader& hf) {
  LlamaConfig c = parse(hf);
  c.attention.window = mistral_window(hf);
  return define_llama_decoder(hf, c);
}

}  // namespace pagoda
