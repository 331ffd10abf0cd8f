// POST /v1/completions.

#include <boost/json.hpp>

#include "api/answers/completion_generation.h"
#include "api/http/error_body.h"
#include "api/requests/completion_request.h"
#include "api/requests/prompt.h"
#include "api/requests/request_log.h"
#include "api/routes/routes.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

std::vector<Prompt> prompts_of(const CompletionRequest& request, const RouteContext& context) {
  if (request.prompts.empty()) {
    throw Error(ErrorKind::kRequest, "please provide at least one prompt");
  }
  std::vector<Prompt> out;
  for (const PromptInput& input : request.prompts) {
    Prompt prompt;
    if (const auto* text = std::get_if<std::string>(&input)) {
      prompt = prompt_of_text(*text, request.add_special_tokens, request.fields.truncate,
                              *context.parts.tokenizer);
    } else {
      prompt =
          prompt_of_ids(std::get<std::vector<int64_t>>(input), request.fields.truncate, context);
    }
    check_context(static_cast<int64_t>(prompt.tokens.size()), request.fields.max_tokens,
                  context.facts.max_model_len);
    out.push_back(std::move(prompt));
  }
  return out;
}

// With max_tokens 0 and echo the prompt is the answer, but the engine makes at least one token.
bool only_echo(const CompletionRequest& request) {
  return request.echo && request.fields.max_tokens == 0;
}

std::vector<PlannedChoice> plan_of(const CompletionRequest& request,
                                   const std::vector<Prompt>& prompts, const std::string& id,
                                   const RouteContext& context) {
  std::vector<SamplingParams> params;
  std::vector<const TokenIds*> tokens;
  const SamplingContext sampling = {.defaults = context.parts.sampling_defaults,
                                    .facts = context.facts,
                                    .tokenizer = *context.parts.tokenizer,
                                    .max_logprobs = context.openai().max_logprobs};
  const std::optional<int64_t> max_tokens =
      only_echo(request) ? std::optional<int64_t>(1) : request.fields.max_tokens;
  for (const Prompt& prompt : prompts) {
    params.push_back(sampling_params(request.fields, sampling,
                                     static_cast<int64_t>(prompt.tokens.size()), max_tokens,
                                     request.logprobs));
    tokens.push_back(&prompt.tokens);
  }
  for (const TokenIds* prompt : tokens) check_prompt(*prompt, context);
  check_size(request.fields, tokens);
  std::vector<PlannedChoice> plan;
  for (size_t i = 0; i < prompts.size(); ++i) {
    log_request(str(id, "-", i), prompts[i], describe(params[i], request.fields),
                context.config->log);
    ChoicePlanner{request.fields, context, std::move(params[i])}.add(prompts[i], plan);
  }
  return plan;
}

}  // namespace

RouteAnswer answer_completion(const RouteRequest& http, const RouteContext& context) {
  ValidationErrors errors;
  const CompletionRequest request = read_completion_request(http.body, errors);
  if (!errors.empty()) return invalid_request(errors);
  if (!serves_model(request.fields.model, context)) return unknown_model(request.fields.model);
  if (!request.suffix.empty()) {
    throw Error(ErrorKind::kRequest, "suffix is not currently supported");
  }
  refuse_what_is_missing(http.body);

  const std::string id = "cmpl-" + http.request_id;
  std::vector<Prompt> prompts = prompts_of(request, context);
  std::vector<PlannedChoice> plan = plan_of(request, prompts, id, context);
  CompletionOptions options = {.prompts = {},
                               .choices_per_prompt = static_cast<int>(request.fields.n.value_or(1)),
                               .echo = request.echo,
                               .only_echo = only_echo(request),
                               .logprobs = {},
                               .prompt_logprobs = request.fields.prompt_logprobs.has_value()};
  if (request.logprobs) options.logprobs = static_cast<int>(*request.logprobs);
  for (Prompt& prompt : prompts) {
    options.prompts.push_back({.text = request.echo ? std::move(prompt.text) : std::string(),
                               .tokens = std::move(prompt.tokens)});
  }
  return {.reply = {},
          .generation = make_completion_generation(answer_frame(request.fields, id, context),
                                                   std::move(plan), std::move(options))};
}

}  // namespace pagoda
