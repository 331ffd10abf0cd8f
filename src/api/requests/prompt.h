// From what a client sends to the tokens that the engine gets, and the checks on the way.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/pictures/picture_loader.h"
#include "api/requests/chat_request.h"
#include "api/requests/completion_request.h"
#include "api/routes/route_context.h"

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
                     const RouteContext& context);

struct ChatPromptResult {
  Prompt prompt;                // with pictures: whole, one token a picture; see expand_pictures()
  boost::json::array messages;  // as the template saw them
  std::vector<PictureSource> pictures;
  PictureShape shape;  // of the pictures
};
// Throws kRequest: what is wrong with a message, or what the template says.
ChatPromptResult prompt_of_chat(const ChatPrompt& chat, std::optional<int64_t> truncate,
                                const RouteContext& context);

// Throws kRequest, in vLLM's words, where prompt and answer do not fit into the context.
void check_context(int64_t prompt_tokens, std::optional<int64_t> max_tokens, int64_t max_model_len);
// Throws kRequest where the prompt is empty or has tokens that the model does not know.
void check_prompt(const TokenIds& tokens, const RouteContext& context);

}  // namespace pagoda
