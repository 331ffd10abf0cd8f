// Qwen3 dense decoders, 0.6B to 32B.
// Follows transformers v4.51, models/qwen3/modeling_qwen3.py.
// What sets it apart from Qwen2: every query and key head is RMS-normalized before rotary, and the
// projections have a bias only where attention_bias says so.

#include "models/families.h"
#include "models/hf_keys.h"
#include "models/llama_decoder.h"

namespace pagoda {

ModelDefinition define_qwen3(const JsonReader& hf) {
  const int64_t head_dim = size_or(hf, "head_dim", 128);  // as Qwen3Config documents
  LlamaConfig c = llama_config(hf, head_dim, head_dim);
  c.attention.head_norm = true;
  c.attention.norm_eps = c.decoder.norm_eps;
  c.attention.qkv_bias = c.attention.output_bias = Bias(hf.flag_or("attention_bias", false));
  c.windows = upper_layers_windows(hf);
  return define_llama_decoder(hf, c);
}

}  // namespace pagoda
