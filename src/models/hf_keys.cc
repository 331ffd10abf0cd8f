#include "models/hf_keys.h"

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

int64_t head_dim_of(const HfConfig& hf) {
  if (hf.has("head_dim")) return hf.integer("head_dim");
  const int64_t hidden = hf.integer("hidden_size"), heads = hf.integer("num_attention_heads");
  if (heads <= 0 || hidden % heads != 0) {
    throw Error(ErrorKind::kConfig,
                str(hf.origin(), ": hidden_size ", hidden, " is not a multiple of ",
                    "num_attention_heads ", heads, "; correct them, or give head_dim"));
  }
  return hidden / heads;
}

int64_t kv_heads_of(const HfConfig& hf) {
  const int64_t heads = hf.integer("num_attention_heads");
  const int64_t kv_heads = hf.integer_or("num_key_value_heads", heads);
  if (kv_heads <= 0 || heads % kv_heads != 0) {
    throw Error(ErrorKind::kConfig,
                str(hf.origin(), ": num_attention_heads ", heads, " is not a multiple of ",
                    "num_key_value_heads ", kv_heads, "; each must serve the same number"));
  }
  return kv_heads;
}

RotarySpec rotary_of(const HfConfig& hf, int64_t head_dim) {
  return {.dim = head_dim,
          .theta = hf.number_or("rope_theta", 10000.0),
          .max_position_embeddings = hf.integer("max_position_embeddings"),
          .scaling = hf.section("rope_scaling")};
}

void require_silu(const HfConfig& hf) {
  const std::string act = hf.text_or("hidden_act", "silu");
  if (act == "silu") return;
  throw Error(ErrorKind::kConfig,
              str(hf.origin(), ": hidden_act \"", act, "\" is not supported by ", hf.architecture(),
                  "; supported is silu"));
}

int64_t upper_layers_window(const HfConfig& hf, int64_t layer) {
  if (!hf.flag_or("use_sliding_window", false)) return 0;
  const int64_t first = hf.integer_or("max_window_layers", 28);
  return layer >= first ? hf.integer_or("sliding_window", 0) : 0;
}

}  // namespace pagoda
