#include "api/requests/prompt.h"

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kRequest, message);
}

void keep_last(TokenIds& tokens, std::optional<int64_t> count) {
  if (!count || *count >= static_cast<int64_t>(tokens.size())) return;
  tokens.erase(tokens.begin(), tokens.end() - *count);
}

}  // namespace

Prompt prompt_of_text(std::string text, bool add_special_tokens, std::optional<int64_t> truncate,
                      const Tokenizer& tokenizer) {
  Prompt out;
  out.tokens = tokenizer.encode(text, add_special_tokens);
  out.text = std::move(text);
  keep_last(out.tokens, truncate);
  return out;
}

Prompt prompt_of_ids(const std::vector<int64_t>& ids, std::optional<int64_t> truncate,
                     const Tokenizer& tokenizer) {
  Prompt out;
  out.tokens.reserve(ids.size());
  for (const int64_t id : ids) {
    if (id < 0 || id > INT32_MAX) refuse(str("Token id ", id, " is out of vocabulary"));
    out.tokens.emplace_back(static_cast<int32_t>(id));
  }
  keep_last(out.tokens, truncate);
  out.text = tokenizer.decode_for_display(out.tokens);
  return out;
}

void check_context(int64_t prompt_tokens, std::optional<int64_t> max_tokens,
                   int64_t max_model_len) {
  const std::string begin = str("This model's maximum context length is ", max_model_len,
                                " tokens. However, you requested ");
  if (!max_tokens) {
    if (prompt_tokens < max_model_len) return;
    refuse(str(begin, prompt_tokens,
               " tokens in the messages, Please reduce the length of the messages."));
  }
  // Compared so that a huge max_tokens cannot overflow the sum.
  if (*max_tokens <= max_model_len - prompt_tokens) return;
  const int64_t sum =
      *max_tokens > INT64_MAX - prompt_tokens ? INT64_MAX : *max_tokens + prompt_tokens;
  refuse(str(begin, sum, " tokens (", prompt_tokens, " in the messages, ", *max_tokens,
             " in the completion). Please reduce the length of the messages or completion."));
}

void check_prompt(const TokenIds& tokens, int64_t vocab) {
  if (tokens.empty()) refuse("The decoder prompt cannot be empty");
  for (const TokenId id : tokens) {
    if (id.value() >= vocab) refuse(str("Token id ", id.value(), " is out of vocabulary"));
  }
}

}  // namespace pagoda
