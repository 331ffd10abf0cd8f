// The answer to POST /v1/completions.
//
// Thread rule: as Generation.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/answers/generation.h"

namespace pagoda {

// A prompt as the engine got it, and as echo gives it back.
struct EchoedPrompt {
  std::string text;
  std::vector<TokenId> tokens;
};

struct CompletionOptions {
  std::vector<EchoedPrompt> prompts;
  int choices_per_prompt = 1;  // choice c belongs to prompt c / choices_per_prompt
  bool echo = false;
  bool only_echo = false;  // max_tokens 0: the one token that the engine made is left out
  std::optional<int> logprobs;
  bool prompt_logprobs = false;
};

std::unique_ptr<Generation> make_completion_generation(AnswerFrame frame,
                                                       std::vector<PlannedChoice> plan,
                                                       CompletionOptions options);

}  // namespace pagoda
