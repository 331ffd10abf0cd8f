#include "engine/sampling_state.h"

#include <utility>

namespace pagoda {
namespace {

bool has_penalties(const SamplingParams& params) {
  return params.repetition_penalty != 1.0f || params.presence_penalty != 0.0f ||
         params.frequency_penalty != 0.0f;
}

}  // namespace

SamplingState::SamplingState(SamplingParams params, std::span<const TokenId> prompt)
    : params_(std::move(params)), prompt_size_(static_cast<int64_t>(prompt.size())) {
  if (!has_penalties(params_)) return;
  for (const TokenId token : prompt) token_uses_[token].in_prompt = true;
}

void SamplingState::append(TokenId token) {
  // Once and for all, and not while it waits: there may be thousands.
  if (outputs_.empty()) outputs_.reserve(static_cast<size_t>(params_.max_tokens));
  outputs_.push_back(token);
  if (has_penalties(params_)) ++token_uses_[token].in_outputs;
}

}  // namespace pagoda
