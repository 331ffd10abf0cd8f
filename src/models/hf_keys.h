// Keys of config.json that several families read in the same way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"

namespace pagoda {

// architectures[0]; throws kConfig where there is none.
std::string architecture_of(const JsonReader& hf);

// A count or dimension: throws kConfig unless it is at least 1 and fits 31 bits.
int64_t size_of(const JsonReader& hf, std::string_view key);
// The default, which may be 0, where the key is absent or null.
int64_t size_or(const JsonReader& hf, std::string_view key, int64_t documented_default);

// head_dim, or hidden_size / num_attention_heads where the checkpoint does not say.
int64_t head_dim_of(const JsonReader& hf);
// num_key_value_heads, which must divide num_attention_heads. Absent: as many (multi-head).
int64_t kv_heads_of(const JsonReader& hf);
// Throws kConfig unless the activation is the only one that a family was published with.
void require_activation(const JsonReader& hf, std::string_view key, std::string_view wanted);
void require_silu(const JsonReader& hf);  // hidden_act
// sliding_window of Qwen2 and Qwen3, one a layer; 0: none. With use_sliding_window, layers from
// max_window_layers on slide (transformers v4.51, Qwen2Attention); without it the key
// sliding_window means nothing.
std::vector<int64_t> upper_layers_windows(const JsonReader& hf);
// num_experts_per_tok; throws kConfig where there are not so many experts.
int64_t active_experts_of(const JsonReader& hf, int64_t experts);
// Which layers of Qwen's mixtures are sparse: every decoder_sparse_step-th one that is not in
// mlp_only_layers (transformers v4.51, Qwen3MoeDecoderLayer).
std::vector<bool> sparse_layers_of(const JsonReader& hf);

}  // namespace pagoda
