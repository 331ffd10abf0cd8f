// Keys of config.json that say how heads are turned by position, and so how long a context may be:
// rope_theta and rope_scaling, or rope_parameters as transformers 5 calls it.
#pragma once

#include <cstdint>

#include "base/json_reader.h"
#include "nn/rotary.h"

namespace pagoda {

// How numbers of a head that are `dim` are turned. Throws kConfig where `dim` is odd, since they
// turn in pairs, for a rope_type that is not known, with the list of those that are, and for
// sections (M-RoPE) that do not make up all frequencies.
RotarySpec rotary_of(const JsonReader& hf, int64_t dim);

// How many of a head's numbers are turned: the share that partial_rotary_factor names, or what the
// reference documents where that is absent. Throws kConfig unless it is a share.
int64_t rotary_dim_of(const JsonReader& hf, int64_t head_dim, double documented_factor);

// The longest context, as vLLM 0.9.2 derives it (_get_and_verify_max_len): the shortest length that
// any key names, stretched by the rotary scaling, except llama3 and longrope, whose
// max_position_embeddings is stretched already. A sliding window does not shorten it.
int64_t max_positions_of(const JsonReader& hf);

// What DeepSeek multiplies the scale of attention scores with beside YaRN: the square of what
// mscale_all_dim makes of the factor (DeepSeek-V2, modeling_deepseek.py); 1 without that key.
double yarn_score_factor_of(const JsonReader& hf);

}  // namespace pagoda
