// How the next token of a request is chosen, and when the request ends. Values are valid already:
// the API checks them.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace pagoda {

struct SamplingParams {
  float temperature = 1.0f;  // 0: the most likely token
  float top_p = 1.0f;
  int top_k = 0;  // 0: all
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  std::optional<uint64_t> seed = {};  // none: drawn when the request is submitted

  int64_t max_tokens = 16;  // at least 1, and no more than the context leaves
  int64_t min_tokens = 0;   // end tokens are forbidden before
  bool ignore_eos = false;
  std::vector<TokenId> stop_token_ids = {};

  std::optional<int> logprobs = {};  // how many of the most likely tokens, beside the sampled one
  std::optional<int> prompt_logprobs = {};                 // likewise for every token of the prompt
  std::vector<std::pair<TokenId, float>> logit_bias = {};  // clamped to +-100
  std::vector<TokenId> allowed_token_ids = {};             // empty: all
  std::vector<std::vector<TokenId>> bad_words = {};  // token sequences that must not be completed
};

}  // namespace pagoda
