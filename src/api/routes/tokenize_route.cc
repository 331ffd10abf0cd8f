// POST /tokenize and POST /detokenize.

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/requests/chat_prompt.h"
#include "api/requests/validation.h"
#include "api/routes/picture_preparation.h"
#include "api/routes/routes.h"
#include "base/json_writer.h"

namespace pagoda {

namespace json = boost::json;

namespace {

RouteAnswer tokens_answer(const Prompt& prompt, bool with_strings, const ApiModel& served) {
  json::array tokens, strings;
  for (const TokenId id : prompt.tokens) {
    tokens.emplace_back(id.value());
    if (with_strings) strings.emplace_back(served.parts.tokenizer->token(id));
  }
  json::object body = {{"count", tokens.size()},
                       {"max_model_len", served.facts.max_model_len},
                       {"tokens", std::move(tokens)},
                       {"token_strs", nullptr}};
  if (with_strings) body["token_strs"] = std::move(strings);
  return {.reply = json_reply(200, to_json(body))};
}

}  // namespace

RouteAnswer answer_tokenize(const RouteRequest& http, const RouteContext& context) {
  const ApiModel& served = context.served;
  ValidationErrors errors;
  FieldReader in(http.body, errors);
  const std::string model = in.text("model").value_or("");
  const bool with_strings = in.flag("return_token_strs").value_or(false);
  const bool is_chat = in.find("prompt") == nullptr && in.find("messages") != nullptr;
  const bool add_special_tokens = in.flag("add_special_tokens").value_or(true);
  ChatPrompt chat;
  std::string text;
  if (is_chat) {
    chat = read_chat_prompt(in);
  } else if (in.find("prompt") == nullptr) {
    errors.add_missing({"TokenizeCompletionRequest", "prompt"}, http.body);
    errors.add_missing({"TokenizeChatRequest", "messages"}, http.body);
  } else {
    text = in.text("prompt").value_or("");
  }
  errors.refuse_if_any();
  require_model(model, served);

  if (is_chat) {
    return with_pictures(render_chat(chat, std::nullopt, served, http.abandoned), context,
                         [with_strings, &served](const Prompt& prompt) {
                           return tokens_answer(prompt, with_strings, served);
                         });
  }
  const Prompt prompt =
      prompt_of_text(std::move(text), add_special_tokens, std::nullopt, *served.parts.tokenizer);
  return tokens_answer(prompt, with_strings, served);
}

RouteAnswer answer_detokenize(const RouteRequest& http, const RouteContext& context) {
  const ApiModel& served = context.served;
  ValidationErrors errors;
  FieldReader in(http.body, errors);
  const std::string model = in.text("model").value_or("");
  if (in.find("tokens") == nullptr) errors.add_missing({"tokens"}, http.body);
  const std::vector<int64_t> ids = in.integers("tokens").value_or(std::vector<int64_t>{});
  errors.refuse_if_any();
  require_model(model, served);

  TokenIds tokens;
  for (const int64_t id : ids) {
    // Ids that stand for nothing are skipped, as the tokenizer does with those it does not know.
    if (id >= 0 && id <= INT32_MAX) tokens.emplace_back(static_cast<int32_t>(id));
  }
  const json::object body = {{"prompt", served.parts.tokenizer->decode_for_display(tokens)}};
  return {.reply = json_reply(200, to_json(body))};
}

}  // namespace pagoda
