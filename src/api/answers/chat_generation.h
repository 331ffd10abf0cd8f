// The answer to POST /v1/chat/completions.
//
// Thread rule: as Generation.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/answers/generation.h"

namespace pagoda {

struct ChatOptions {
  int64_t prompt_tokens = 0;
  std::string role;                   // of the answer
  std::string echo = {};              // put before the answer
  std::string reasoning_parser = {};  // empty: none
  std::string tool_call_parser = {};  // empty: tool calls are not looked for
  std::optional<int> logprobs = {};   // how many of the most likely tokens, beside the sampled one
  bool prompt_logprobs = false;
};

std::unique_ptr<Generation> make_chat_generation(AnswerFrame frame, std::vector<PlannedChoice> plan,
                                                 ChatOptions options);

}  // namespace pagoda
