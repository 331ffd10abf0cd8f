// The tokens that the engine gets, and the checks on the way there.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine_client.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {

struct Prompt {
  std::string text;  // whole, even where the tokens are cut
  TokenIds tokens;   // the last `truncate` ones
  std::vector<PromptPicture> pictures = {};
};

Prompt prompt_of_text(std::string text, bool add_special_tokens, std::optional<int64_t> truncate,
                      const Tokenizer& tokenizer);
// Throws kRequest where an id does not fit a token.
Prompt prompt_of_ids(const std::vector<int64_t>& ids, std::optional<int64_t> truncate,
                     const Tokenizer& tokenizer);

// Throws kRequest, in vLLM's words, where prompt and answer do not fit into the context.
void check_context(int64_t prompt_tokens, std::optional<int64_t> max_tokens, int64_t max_model_len);
// Throws kRequest where the prompt is empty or has tokens that are not below `vocab`.
void check_prompt(const TokenIds& tokens, int64_t vocab);

}  // namespace pagoda
