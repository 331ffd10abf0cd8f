// Qwen2 and Qwen2.5 dense decoders, 0.5B to 72B.
// Follows transformers v4.51, models/qwen2/modeling_qwen2.py.
// What sets it apart from Llama: q, k and v have a bias, o has none, and only the upper layers may
// slide.

#include "models/families.h"
#include "models/hf_keys.h"
#include "models/llama_decoder.h"

namespace pagoda {

ModelDefinition define_qwen2(const JsonReader& hf) {
  const int64_t head_dim = head_dim_of(hf);
  LlamaConfig c = llama_config(hf, head_dim, head_dim);
  c.attention.qkv_bias = Bias::kPresent;
  c.windows = upper_layers_windows(hf);
  return define_llama_decoder(hf, c);
}

}  // namespace pagoda
