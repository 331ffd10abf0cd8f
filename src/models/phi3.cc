// Phi-3 and Phi-3.5 mini and medium, Phi-4 and Phi-4-mini.
// Follows transformers v4.51, models/phi3/modeling_phi3.py.
// What sets it apart from Llama: q, k and v are one tensor, gate and up another, only the first
// numbers of a head may turn, and long contexts are made by a factor for each frequency (LongRoPE).

#include "models/families.h"
#include "models/hf_keys.h"
#include "models/llama_decoder.h"
#include "models/rotary_keys.h"

namespace pagoda {

ModelDefinition define_phi3(const JsonReader& hf) {
  const int64_t head_dim = head_dim_of(hf);
  LlamaConfig c = llama_config(hf, head_dim, rotary_dim_of(hf, head_dim, 1.0));
  c.attention.storage = Storage::kFused;
  c.attention.window = size_or(hf, "sliding_window", 0);
  c.mlp.storage = Storage::kFused;
  return define_llama_decoder(hf, c);
}

}  // namespace pagoda
