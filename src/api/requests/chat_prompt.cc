#include "api/requests/chat_prompt.h"

#include <boost/json.hpp>
#include <utility>

#include "api/requests/chat_messages.h"
#include "api/requests/picture_prompt.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kRequest, message);
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

// The one of the request, which is then kept in `own`, or else the model's.
const ChatTemplate& template_for(const ChatPrompt& chat, const ServiceParts& parts,
                                 std::optional<ChatTemplate>& own) {
  if (chat.chat_template) {
    return own.emplace(template_of_request(*chat.chat_template, parts.special_tokens));
  }
  if (parts.chat_template != nullptr) return *parts.chat_template;
  refuse(
      "As of transformers v4.44, default chat template is no longer allowed, so you must provide "
      "a chat template if the tokenizer does not define one: this model has none; send "
      "`chat_template`, or start the server with --chat-template");
}

}  // namespace

RenderedChat render_chat(const ChatPrompt& chat, std::optional<int64_t> truncate,
                         const ApiModel& served, const std::stop_token& abandoned) {
  if (chat.add_generation_prompt && chat.continue_final_message) {
    refuse(
        "continue_final_message and add_generation_prompt are not compatible. Use "
        "continue_final_message when you want the model to continue the final message, and "
        "add_generation_prompt: false with it.");
  }
  std::optional<ChatTemplate> own;
  const ChatTemplate& used = template_for(chat, served.parts, own);
  TemplateMessages given = template_messages(
      chat.messages,
      {.format = content_format(used, chat.tools.has_value(), served.openai().content_format),
       .model = served.parts.model,
       .pictures = picture_rules(served)});
  std::string text = used.render({.messages = given.messages,
                                  .tools = chat.tools ? &*chat.tools : nullptr,
                                  .documents = chat.documents,
                                  .add_generation_prompt = chat.add_generation_prompt,
                                  .continue_final_message = chat.continue_final_message,
                                  .extra = chat.template_kwargs,
                                  .abandoned = abandoned});
  // Pictures make a prompt longer, so it cannot be cut before they are known.
  const std::optional<int64_t> cut = given.pictures.empty() ? truncate : std::nullopt;
  RenderedChat out = {.prompt = prompt_of_text(std::move(text), chat.add_special_tokens, cut,
                                               *served.parts.tokenizer),
                      .messages = std::move(given.messages),
                      .truncate = truncate,
                      .pictures = std::move(given.pictures),
                      .shape = {}};
  if (out.pictures.empty()) return out;
  require_placeholders(out.prompt.tokens, out.pictures.size(), served.parts);
  out.shape = picture_shape(chat.processor_arguments, served);
  return out;
}

}  // namespace pagoda
