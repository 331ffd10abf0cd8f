// POST /v1/chat/completions.

#include <boost/json.hpp>

#include "api/answers/chat_generation.h"
#include "api/requests/chat_messages.h"
#include "api/requests/chat_request.h"
#include "api/requests/picture_prompt.h"
#include "api/requests/prompt.h"
#include "api/requests/request_log.h"
#include "api/routes/routes.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

// Whether answers are searched for tool calls. Throws kRequest for what is not possible.
bool uses_tools(ChatRequest& request, const RouteContext& context) {
  switch (request.tool_choice) {
    case ToolChoice::kNone: request.prompt.tools.reset(); return false;
    case ToolChoice::kRequired:
    case ToolChoice::kNamed:
      throw Error(ErrorKind::kRequest,
                  "tool_choice: \"required\" and named tools need guided decoding, which is not "
                  "supported yet; use \"auto\" or \"none\"");
    case ToolChoice::kAuto: break;
  }
  const OpenAiConfig& config = context.openai();
  if (!config.enable_auto_tool_choice || config.tool_call_parser.empty()) {
    throw Error(ErrorKind::kRequest,
                "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to "
                "be set");
  }
  return true;
}

std::string role_of_answer(const ChatRequest& request, const RouteContext& context) {
  if (request.prompt.add_generation_prompt || request.prompt.messages.empty()) {
    return context.openai().response_role;
  }
  const auto& last = request.prompt.messages.back().get_object();
  return std::string(last.at("role").get_string());
}

// What is left of a request once its prompt is known, while it may wait for pictures.
struct AskedChat {
  RequestFields fields;
  ChatOptions options;
  std::string id;
  std::optional<int64_t> logprobs;
};

std::vector<PlannedChoice> plan_of(const AskedChat& asked, const Prompt& prompt,
                                   const RouteContext& context) {
  const auto num_tokens = static_cast<int64_t>(prompt.tokens.size());
  check_context(num_tokens, asked.fields.max_tokens, context.facts.max_model_len);
  const SamplingContext sampling = {.defaults = context.parts.sampling_defaults,
                                    .facts = context.facts,
                                    .tokenizer = *context.parts.tokenizer,
                                    .max_logprobs = context.openai().max_logprobs};
  SamplingParams params =
      sampling_params(asked.fields, sampling, num_tokens, asked.fields.max_tokens, asked.logprobs);
  check_prompt(prompt.tokens, context);
  check_size(asked.fields, {&prompt.tokens});
  log_request(asked.id, prompt, describe(params, asked.fields), context.config->log);
  std::vector<PlannedChoice> plan;
  ChoicePlanner{asked.fields, context, std::move(params)}.add(prompt, plan);
  return plan;
}

RouteAnswer generation_of(AskedChat asked, const Prompt& prompt, const RouteContext& context) {
  std::vector<PlannedChoice> plan = plan_of(asked, prompt, context);
  asked.options.prompt_tokens = static_cast<int64_t>(prompt.tokens.size());
  return {.reply = {},
          .generation = make_chat_generation(answer_frame(asked.fields, asked.id, context),
                                             std::move(plan), std::move(asked.options))};
}

}  // namespace

RouteAnswer answer_chat(const RouteRequest& http, const RouteContext& context) {
  ValidationErrors errors;
  ChatRequest request = read_chat_request(http.body, errors);
  if (!errors.empty()) return invalid_request(errors);
  if (!serves_model(request.fields.model, context)) return unknown_model(request.fields.model);
  refuse_what_is_missing(http.body);
  const bool tools = uses_tools(request, context);

  const std::string id =
      "chatcmpl-" + (request.request_id.empty() ? http.request_id : request.request_id);
  ChatPromptResult chat = prompt_of_chat(request.prompt, request.fields.truncate, context);
  AskedChat asked = {
      .fields = {},
      .options = {.prompt_tokens = 0,
                  .role = role_of_answer(request, context),
                  .echo = {},
                  .reasoning_parser = context.openai().reasoning_parser,
                  .tool_call_parser = tools ? context.openai().tool_call_parser : std::string(),
                  .logprobs = {},
                  .prompt_logprobs = request.fields.prompt_logprobs.has_value()},
      .id = id,
      .logprobs = {}};
  if (request.echo) asked.options.echo = text_to_echo(chat.messages, asked.options.role);
  if (request.logprobs) {
    asked.options.logprobs = static_cast<int>(request.top_logprobs);
    asked.logprobs = request.top_logprobs;
  }
  asked.fields = std::move(request.fields);
  if (chat.pictures.empty()) return generation_of(std::move(asked), chat.prompt, context);
  return {
      .reply = {},
      .generation = nullptr,
      .preparation = prepare_pictures(
          chat, context, [asked, prompt = chat.prompt, &context](std::vector<PictureRef> pictures) {
            Prompt expanded = prompt;
            expand_pictures(expanded, std::move(pictures), asked.fields.truncate, context);
            return generation_of(asked, expanded, context);
          })};
}

}  // namespace pagoda
