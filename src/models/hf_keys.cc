#include "models/hf_keys.h"

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

std::string architecture_of(const JsonReader& hf) {
  if (!hf.has("architectures")) {
    hf.reject("architectures", R"(a list such as ["Qwen3ForCausalLM"])");
  }
  const std::vector<std::string> names = hf.texts_or_empty("architectures");
  if (names.empty()) hf.reject("architectures", "a name in it");
  return names.front();
}

int64_t size_of(const JsonReader& hf, std::string_view key) {
  const int64_t value = hf.integer(key);
  if (value >= 1 && value <= INT32_MAX) return value;
  throw Error(ErrorKind::kConfig,
              str(hf.origin(), ": ", key, " is ", value, ", expected 1 to ", INT32_MAX,
                  "; correct it, or override it with --hf-overrides"));
}

int64_t size_or(const JsonReader& hf, std::string_view key, int64_t documented_default) {
  return hf.has(key) ? size_of(hf, key) : documented_default;
}

int64_t head_dim_of(const JsonReader& hf) {
  if (hf.has("head_dim")) return size_of(hf, "head_dim");
  const int64_t hidden = size_of(hf, "hidden_size"), heads = size_of(hf, "num_attention_heads");
  if (hidden % heads != 0) {
    throw Error(ErrorKind::kConfig,
                str(hf.origin(), ": hidden_size ", hidden, " is not a multiple of ",
                    "num_attention_heads ", heads, "; correct them, or give head_dim"));
  }
  return hidden / heads;
}

int64_t kv_heads_of(const JsonReader& hf) {
  const int64_t heads = size_of(hf, "num_attention_heads");
  const int64_t kv_heads = size_or(hf, "num_key_value_heads", heads);
  if (heads % kv_heads != 0) {
    throw Error(ErrorKind::kConfig,
                str(hf.origin(), ": num_attention_heads ", heads, " is not a multiple of ",
                    "num_key_value_heads ", kv_heads, "; each must serve the same number"));
  }
  return kv_heads;
}

void require_activation(const JsonReader& hf, std::string_view key, std::string_view wanted) {
  const std::string_view act = hf.text_or(key, wanted);
  if (act == wanted) return;
  throw Error(ErrorKind::kConfig, str(hf.origin(), ": ", key, " \"", act, "\" is not supported by ",
                                      architecture_of(hf), "; supported is ", wanted));
}

void require_silu(const JsonReader& hf) {
  require_activation(hf, "hidden_act", "silu");
}

std::vector<int64_t> upper_layers_windows(const JsonReader& hf) {
  std::vector<int64_t> windows(static_cast<size_t>(size_of(hf, "num_hidden_layers")), 0);
  if (!hf.flag_or("use_sliding_window", false)) return windows;
  const int64_t first = hf.integer_or("max_window_layers", 28);
  for (int64_t i = std::max<int64_t>(first, 0); i < std::ssize(windows); ++i) {
    windows[static_cast<size_t>(i)] = size_or(hf, "sliding_window", 0);
  }
  return windows;
}

int64_t active_experts_of(const JsonReader& hf, int64_t experts) {
  const int64_t active = size_of(hf, "num_experts_per_tok");
  if (active <= experts) return active;
  throw Error(ErrorKind::kConfig,
              str(hf.origin(), ": num_experts_per_tok is ", active, ", but a token has only ",
                  experts, " experts to choose from; correct it"));
}

std::vector<bool> sparse_layers_of(const JsonReader& hf) {
  const int64_t step = size_or(hf, "decoder_sparse_step", 1);
  const std::vector<int64_t> dense = hf.integers_or_empty("mlp_only_layers");
  std::vector<bool> sparse;
  for (int64_t layer = 0; layer < size_of(hf, "num_hidden_layers"); ++layer) {
    const bool is_dense = std::find(dense.begin(), dense.end(), layer) != dense.end();
    sparse.push_back(!is_dense && (layer + 1) % step == 0);
  }
  return sparse;
}

}  // namespace pagoda
