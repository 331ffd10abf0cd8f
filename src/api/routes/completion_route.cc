// POST /v1/completions.

#include <boost/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/answers/completion_generation.h"
#include "api/requests/completion_request.h"
#include "api/routes/generation_plan.h"
#include "api/routes/routes.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

std::vector<Prompt> prompts_of(const CompletionRequest& request, const ApiModel& served) {
  if (request.prompts.empty()) {
    throw Error(ErrorKind::kRequest, "please provide at least one prompt");
  }
  const Tokenizer& tokenizer = *served.parts.tokenizer;
  const std::optional<int64_t> truncate = request.fields.truncate;
  std::vector<Prompt> out;
  for (const PromptInput& input : request.prompts) {
    const auto* text = std::get_if<std::string>(&input);
    Prompt prompt = text != nullptr
                        ? prompt_of_text(*text, request.add_special_tokens, truncate, tokenizer)
                        : prompt_of_ids(std::get<std::vector<int64_t>>(input), truncate, tokenizer);
    check_context(static_cast<int64_t>(prompt.tokens.size()), request.fields.max_tokens,
                  served.facts.max_model_len);
    out.push_back(std::move(prompt));
  }
  return out;
}

std::vector<EchoedPrompt> echoed(std::vector<Prompt> prompts, bool with_text) {
  std::vector<EchoedPrompt> out;
  out.reserve(prompts.size());
  for (Prompt& prompt : prompts) {
    out.push_back({.text = with_text ? std::move(prompt.text) : std::string(),
                   .tokens = std::move(prompt.tokens)});
  }
  return out;
}

}  // namespace

RouteAnswer answer_completion(const RouteRequest& http, const RouteContext& context) {
  const ApiModel& served = context.served;
  CompletionRequest request = read_completion_request(http.body);
  require_model(request.fields.model, served);
  if (!request.suffix.empty()) {
    throw Error(ErrorKind::kRequest, "suffix is not currently supported");
  }
  refuse_what_is_missing(http.body);
  std::vector<Prompt> prompts = prompts_of(request, served);
  // Then the prompt is the answer, but the engine makes at least one token.
  const bool only_echo = request.echo && request.fields.max_tokens == 0;
  if (only_echo) request.fields.max_tokens = 1;

  const std::string id = "cmpl-" + http.request_id;
  std::vector<NamedPrompt> named;
  named.reserve(prompts.size());
  for (const Prompt& prompt : prompts) {
    named.push_back({.id = str(id, "-", named.size()), .prompt = prompt});
  }
  std::vector<PlannedChoice> plan = plan_choices(request.fields, named, served);
  const SamplingParams sampling = plan.front().request.sampling;
  return {.generation = make_completion_generation(
              answer_frame(request.fields, id, served), std::move(plan),
              {.prompts = echoed(std::move(prompts), request.echo),
               .choices_per_prompt = static_cast<int>(request.fields.n.value_or(1)),
               .echo = request.echo,
               .only_echo = only_echo,
               .logprobs = sampling.logprobs,
               .prompt_logprobs = sampling.prompt_logprobs.has_value()})};
}

}  // namespace pagoda
