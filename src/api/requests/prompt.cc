#include "api/requests/prompt.h"

#include <boost/json.hpp>

#include "api/requests/chat_messages.h"
#include "api/requests/picture_prompt.h"
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

ChatTemplate::ContentFormat content_format(const ChatTemplate& chat_template, bool with_tools,
                                           ContentFormatOption option) {
  switch (option) {
    case ContentFormatOption::kString: return ChatTemplate::ContentFormat::kString;
    case ContentFormatOption::kOpenAi: return ChatTemplate::ContentFormat::kOpenAi;
    case ContentFormatOption::kAuto: break;
  }
  return chat_template.content_format(with_tools);
}

// A template that came with the request may be wrong, which is then the client's fault.
ChatTemplate template_of_request(const std::string& source,
                                 const boost::json::object& special_tokens) {
  try {
    return ChatTemplate(source, special_tokens);
  } catch (const Error& e) {
    refuse(str("chat_template: ", e.what()));
  }
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
                     const RouteContext& context) {
  Prompt out;
  out.tokens.reserve(ids.size());
  for (const int64_t id : ids) {
    if (id < 0 || id > INT32_MAX) refuse(str("Token id ", id, " is out of vocabulary"));
    out.tokens.emplace_back(static_cast<int32_t>(id));
  }
  keep_last(out.tokens, truncate);
  out.text = context.parts.tokenizer->decode_for_display(out.tokens);
  return out;
}

ChatPromptResult prompt_of_chat(const ChatPrompt& chat, std::optional<int64_t> truncate,
                                const RouteContext& context) {
  if (chat.add_generation_prompt && chat.continue_final_message) {
    refuse(
        "continue_final_message and add_generation_prompt are not compatible. Use "
        "continue_final_message when you want the model to continue the final message, and "
        "add_generation_prompt: false with it.");
  }
  std::optional<ChatTemplate> own;
  if (chat.chat_template) {
    own.emplace(template_of_request(*chat.chat_template, context.parts.special_tokens));
  }
  const ChatTemplate* used = own ? &*own : context.parts.chat_template;
  if (used == nullptr) {
    refuse(
        "As of transformers v4.44, default chat template is no longer allowed, so you must provide "
        "a chat template if the tokenizer does not define one: this model has none; send "
        "`chat_template`, or start the server with --chat-template");
  }
  TemplateMessages given = template_messages(
      chat.messages,
      {.format = content_format(*used, chat.tools.has_value(), context.openai().content_format),
       .model = context.parts.model,
       .pictures = picture_rules(context)});
  std::string text = used->render({.messages = given.messages,
                                   .tools = chat.tools ? &*chat.tools : nullptr,
                                   .documents = chat.documents,
                                   .add_generation_prompt = chat.add_generation_prompt,
                                   .continue_final_message = chat.continue_final_message,
                                   .extra = chat.template_kwargs});
  // Pictures make a prompt longer, so it cannot be cut before they are known.
  if (!given.pictures.empty()) truncate.reset();
  ChatPromptResult out = {.prompt = prompt_of_text(std::move(text), chat.add_special_tokens,
                                                   truncate, *context.parts.tokenizer),
                          .messages = std::move(given.messages),
                          .pictures = std::move(given.pictures),
                          .shape = {}};
  if (out.pictures.empty()) return out;
  require_placeholders(out.prompt.tokens, out.pictures.size(), context);
  out.shape = picture_shape(chat.processor_arguments, context);
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

void check_prompt(const TokenIds& tokens, const RouteContext& context) {
  if (tokens.empty()) refuse("The decoder prompt cannot be empty");
  for (const TokenId id : tokens) {
    if (id.value() >= context.vocab())
      refuse(str("Token id ", id.value(), " is out of vocabulary"));
  }
}

}  // namespace pagoda
