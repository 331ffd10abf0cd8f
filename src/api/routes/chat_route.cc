// POST /v1/chat/completions.

#include <boost/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/answers/chat_generation.h"
#include "api/requests/chat_messages.h"
#include "api/requests/chat_prompt.h"
#include "api/requests/chat_request.h"
#include "api/routes/generation_plan.h"
#include "api/routes/picture_preparation.h"
#include "api/routes/routes.h"
#include "base/error.h"

namespace pagoda {
namespace {

// What searches the answer for tool calls; empty: nothing does. Throws kRequest for what is not
// possible.
std::string tool_parser_for(ToolChoice choice, const OpenAiConfig& config) {
  if (choice == ToolChoice::kNone) return {};
  if (choice != ToolChoice::kAuto) {
    throw Error(ErrorKind::kRequest,
                "tool_choice: \"required\" and named tools need guided decoding, which is not "
                "supported yet; use \"auto\" or \"none\"");
  }
  if (!config.enable_auto_tool_choice || config.tool_call_parser.empty()) {
    throw Error(ErrorKind::kRequest,
                "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to "
                "be set");
  }
  return config.tool_call_parser;
}

std::string role_of_answer(const ChatPrompt& prompt, const OpenAiConfig& config) {
  if (prompt.add_generation_prompt || prompt.messages.empty()) return config.response_role;
  return std::string(prompt.messages.back().get_object().at("role").get_string());
}

// What is left of a request once its prompt is known.
struct AskedChat {
  std::string id;
  RequestFields fields;
  ChatOptions options;
};

RouteAnswer generation_of(const AskedChat& asked, const Prompt& prompt, const ApiModel& served) {
  const auto prompt_tokens = static_cast<int64_t>(prompt.tokens.size());
  check_context(prompt_tokens, asked.fields.max_tokens, served.facts.max_model_len);
  const NamedPrompt named = {.id = asked.id, .prompt = prompt};
  std::vector<PlannedChoice> plan = plan_choices(asked.fields, {&named, 1}, served);
  const SamplingParams& sampling = plan.front().request.sampling;
  ChatOptions options = asked.options;
  options.prompt_tokens = prompt_tokens;
  options.logprobs = sampling.logprobs;
  options.prompt_logprobs = sampling.prompt_logprobs.has_value();
  return {.generation = make_chat_generation(answer_frame(asked.fields, asked.id, served),
                                             std::move(plan), std::move(options))};
}

}  // namespace

RouteAnswer answer_chat(const RouteRequest& http, const RouteContext& context) {
  const ApiModel& served = context.served;
  ChatRequest request = read_chat_request(http.body);
  require_model(request.fields.model, served);
  refuse_what_is_missing(http.body);
  ChatOptions options = {.role = role_of_answer(request.prompt, served.openai()),
                         .reasoning_parser = served.openai().reasoning_parser,
                         .tool_call_parser = tool_parser_for(request.tool_choice, served.openai())};
  RenderedChat chat = render_chat(request.prompt, request.fields.truncate, served, http.abandoned);
  if (request.echo) options.echo = text_to_echo(chat.messages, options.role);
  const std::string& id = request.request_id.empty() ? http.request_id : request.request_id;
  return with_pictures(std::move(chat), context,
                       [&served, asked = AskedChat{.id = "chatcmpl-" + id,
                                                   .fields = std::move(request.fields),
                                                   .options = std::move(options)}](
                           const Prompt& prompt) { return generation_of(asked, prompt, served); });
}

RouteAnswer answer_invocation(const RouteRequest& request, const RouteContext& context) {
  const bool is_chat = request.body.contains("messages");
  return is_chat ? answer_chat(request, context) : answer_completion(request, context);
}

}  // namespace pagoda
