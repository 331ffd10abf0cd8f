// POST /tokenize and POST /detokenize.

#include <boost/json.hpp>

#include "api/requests/picture_prompt.h"
#include "api/requests/prompt.h"
#include "api/routes/routes.h"
#include "base/json_writer.h"

namespace pagoda {

namespace json = boost::json;

namespace {

RouteAnswer tokens_reply(const Prompt& prompt, bool with_strings, const RouteContext& context) {
  json::array tokens, strings;
  for (const TokenId id : prompt.tokens) {
    tokens.emplace_back(id.value());
    if (with_strings) strings.emplace_back(context.parts.tokenizer->token(id));
  }
  json::object body = {{"count", tokens.size()},
                       {"max_model_len", context.facts.max_model_len},
                       {"tokens", std::move(tokens)},
                       {"token_strs", nullptr}};
  if (with_strings) body["token_strs"] = std::move(strings);
  return {.reply = json_reply(200, to_json(body)), .generation = nullptr};
}

}  // namespace

RouteAnswer answer_tokenize(const RouteRequest& http, const RouteContext& context) {
  ValidationErrors errors;
  FieldReader in(http.body, errors);
  const std::string model = in.text("model").value_or("");
  const bool with_strings = in.flag("return_token_strs").value_or(false);
  const bool is_chat = in.find("prompt") == nullptr && in.find("messages") != nullptr;
  ChatPrompt chat;
  std::string text;
  const bool add_special_tokens = in.flag("add_special_tokens").value_or(true);
  if (is_chat) {
    chat = read_chat_prompt(http.body, errors);
  } else if (in.find("prompt") == nullptr) {
    errors.add_missing({"TokenizeCompletionRequest", "prompt"}, http.body);
    errors.add_missing({"TokenizeChatRequest", "messages"}, http.body);
  } else {
    text = in.text("prompt").value_or("");
  }
  if (!errors.empty()) return invalid_request(errors);
  if (!serves_model(model, context)) return unknown_model(model);

  if (!is_chat) {
    return tokens_reply(
        prompt_of_text(std::move(text), add_special_tokens, std::nullopt, *context.parts.tokenizer),
        with_strings, context);
  }
  ChatPromptResult asked = prompt_of_chat(chat, std::nullopt, context);
  if (asked.pictures.empty()) return tokens_reply(asked.prompt, with_strings, context);
  return {.reply = {},
          .generation = nullptr,
          .preparation = prepare_pictures(
              asked, context,
              [prompt = asked.prompt, with_strings, &context](std::vector<PictureRef> pictures) {
                Prompt expanded = prompt;
                expand_pictures(expanded, std::move(pictures), std::nullopt, context);
                return tokens_reply(expanded, with_strings, context);
              })};
}

RouteAnswer answer_detokenize(const RouteRequest& http, const RouteContext& context) {
  ValidationErrors errors;
  FieldReader in(http.body, errors);
  const std::string model = in.text("model").value_or("");
  if (in.find("tokens") == nullptr) errors.add_missing({"tokens"}, http.body);
  const std::vector<int64_t> ids = in.integers("tokens").value_or(std::vector<int64_t>{});
  if (!errors.empty()) return invalid_request(errors);
  if (!serves_model(model, context)) return unknown_model(model);

  TokenIds tokens;
  for (const int64_t id : ids) {
    // Ids that stand for nothing are skipped, as the tokenizer does with those it does not know.
    if (id >= 0 && id <= INT32_MAX) tokens.emplace_back(static_cast<int32_t>(id));
  }
  const json::object body = {{"prompt", context.parts.tokenizer->decode_for_display(tokens)}};
  return {.reply = json_reply(200, to_json(body)), .generation = nullptr};
}

}  // namespace pagoda
