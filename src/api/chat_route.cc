// POST /v1/chat/completions.

#include <boost/json.hpp>

#include "api/chat_generation.h"
#include "api/chat_messages.h"
#include "api/chat_request.h"
#include "api/prompt.h"
#include "api/request_log.h"
#include "api/routes.h"
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

std::optional<int64_t> wanted_logprobs(const ChatRequest& request) {
  return request.logprobs ? std::optional(request.top_logprobs) : std::nullopt;
}

std::vector<PlannedChoice> plan_of(const ChatRequest& request, const Prompt& prompt,
                                   const std::string& id, const RouteContext& context) {
  const auto num_tokens = static_cast<int64_t>(prompt.tokens.size());
  check_context(num_tokens, request.fields.max_tokens, context.facts.max_model_len);
  const SamplingContext sampling = {.defaults = context.parts.sampling_defaults,
                                    .facts = context.facts,
                                    .tokenizer = *context.parts.tokenizer,
                                    .max_logprobs = context.openai().max_logprobs};
  SamplingParams params = sampling_params(request.fields, sampling, num_tokens,
                                          request.fields.max_tokens, wanted_logprobs(request));
  check_prompt(prompt.tokens, context);
  check_size(request.fields, {&prompt.tokens});
  log_request(id, prompt, describe(params, request.fields), context.config->log);
  std::vector<PlannedChoice> plan;
  ChoicePlanner{request.fields, context, std::move(params)}.add(prompt.tokens, plan);
  return plan;
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
  const ChatPromptResult chat = prompt_of_chat(request.prompt, request.fields.truncate, context);
  std::vector<PlannedChoice> plan = plan_of(request, chat.prompt, id, context);
  ChatOptions options = {
      .prompt_tokens = static_cast<int64_t>(chat.prompt.tokens.size()),
      .role = role_of_answer(request, context),
      .echo = {},
      .reasoning_parser = context.openai().reasoning_parser,
      .tool_call_parser = tools ? context.openai().tool_call_parser : std::string(),
      .logprobs = {},
      .prompt_logprobs = request.fields.prompt_logprobs.has_value()};
  if (request.echo) options.echo = text_to_echo(chat.messages, options.role);
  if (request.logprobs) options.logprobs = static_cast<int>(request.top_logprobs);
  return {.reply = {},
          .generation = make_chat_generation(answer_frame(request.fields, id, context),
                                             std::move(plan), std::move(options))};
}

}  // namespace pagoda
