// What the choice of a request's next token goes by: its parameters, and what was chosen so far.
//
// It is the sampler's own, beside the scheduler's sequence: a step may be sampled before the
// scheduler has taken in what the step before it chose.
//
// Thread rule: append() on the engine thread, while nobody reads; reading on any.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "engine/sampling_params.h"

namespace pagoda {

class SamplingState {
 public:
  SamplingState(SamplingParams params, std::span<const TokenId> prompt);

  const SamplingParams& params() const { return params_; }
  std::span<const TokenId> outputs() const { return outputs_; }
  int64_t num_outputs() const { return static_cast<int64_t>(outputs_.size()); }
  // Position of the next token.
  int64_t num_tokens() const { return prompt_size_ + num_outputs(); }

  // How often each token occurs, kept only for requests that have penalties.
  struct TokenUse {
    bool in_prompt = false;
    int32_t in_outputs = 0;
  };
  const std::unordered_map<TokenId, TokenUse>& token_uses() const { return token_uses_; }

  void append(TokenId token);

 private:
  SamplingParams params_;
  int64_t prompt_size_;
  std::vector<TokenId> outputs_;
  std::unordered_map<TokenId, TokenUse> token_uses_;
};

}  // namespace pagoda
