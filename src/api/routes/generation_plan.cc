#include "api/routes/generation_plan.h"

#include <cstdint>
#include <ctime>
#include <utility>

#include "api/requests/request_log.h"
#include "api/requests/sampling.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr int64_t kMaxChoices = 4096;
constexpr int64_t kMaxTokensOfChoices = int64_t{16} << 20;  // 64 MiB of token ids
constexpr int64_t kMaxPromptLogprobs = int64_t{1} << 20;    // some 70 MB of reply

void check_size(int64_t n, std::span<const NamedPrompt> prompts) {
  if (n > kMaxChoices || n * static_cast<int64_t>(prompts.size()) > kMaxChoices) {
    throw Error(ErrorKind::kRequest,
                str("n: ", n, " choices of ", prompts.size(), " prompts are more than the ",
                    kMaxChoices, " that one request may have; send several requests"));
  }
  int64_t tokens = 0;
  for (const NamedPrompt& p : prompts) tokens += n * static_cast<int64_t>(p.prompt.tokens.size());
  if (tokens > kMaxTokensOfChoices) {
    throw Error(ErrorKind::kRequest,
                str("prompt: all choices together have ", tokens, " prompt tokens, more than the ",
                    kMaxTokensOfChoices, " that one request may have; send several requests"));
  }
}

// The reply says them for every choice again. With the token itself, which may not be among the
// most likely ones.
void check_prompt_logprobs(int64_t n, std::span<const NamedPrompt> prompts,
                           const std::vector<SamplingParams>& params) {
  if (!params.front().prompt_logprobs) return;
  const int64_t each = *params.front().prompt_logprobs + 1;  // the same for all prompts
  int64_t tokens = 0;
  for (const NamedPrompt& p : prompts) tokens += static_cast<int64_t>(p.prompt.tokens.size());
  if (n * tokens * each <= kMaxPromptLogprobs) return;
  throw Error(
      ErrorKind::kRequest,
      str("prompt_logprobs: ", n, " choices (n) of ", tokens, " prompt tokens with ", each,
          " log-probabilities each make ", n * tokens * each, ", more than the ",
          kMaxPromptLogprobs,
          " that one request may have; lower n or prompt_logprobs (with echo: logprobs), or "
          "send several requests"));
}

// Choice `i` of a prompt. `params` are those of its choice 0.
PlannedChoice plan_choice(int64_t i, const Prompt& prompt, const SamplingParams& params,
                          const RequestFields& fields, const ServiceParts& parts) {
  Request request = {.id = parts.engine->next_id(),
                     .prompt = prompt.tokens,
                     .pictures = prompt.pictures,
                     .sampling = params,
                     .priority = fields.priority,
                     .cache_salt = fields.cache_salt};
  if (params.seed) request.sampling.seed = *params.seed + static_cast<uint64_t>(i);
  Choice choice(fields, request.id, *parts.tokenizer, prompt.tokens);
  return {.request = std::move(request), .choice = std::move(choice)};
}

}  // namespace

std::vector<PlannedChoice> plan_choices(const RequestFields& fields,
                                        std::span<const NamedPrompt> prompts,
                                        const ApiModel& served) {
  std::vector<SamplingParams> params;
  for (const NamedPrompt& p : prompts) {
    params.push_back(sampling_params(fields, static_cast<int64_t>(p.prompt.tokens.size()), served));
  }
  for (const NamedPrompt& p : prompts) check_prompt(p.prompt.tokens, served.vocab());
  const int64_t n = fields.n.value_or(1);
  check_size(n, prompts);
  check_prompt_logprobs(n, prompts, params);
  std::vector<PlannedChoice> plan;
  for (size_t p = 0; p < prompts.size(); ++p) {
    log_request(prompts[p].id, prompts[p].prompt, describe(params[p], fields), served.config->log);
    for (int64_t i = 0; i < n; ++i) {
      plan.push_back(plan_choice(i, prompts[p].prompt, params[p], fields, served.parts));
    }
  }
  return plan;
}

AnswerFrame answer_frame(const RequestFields& fields, std::string id, const ApiModel& served) {
  const OpenAiConfig& openai = served.openai();
  const bool usage =
      fields.include_usage || (fields.has_stream_options && openai.enable_force_include_usage);
  return {.engine = served.parts.engine,
          .tokenizer = served.parts.tokenizer,
          .id = std::move(id),
          .model = fields.model.empty() ? served.default_name() : fields.model,
          .created = std::time(nullptr),
          .stream = fields.stream,
          .include_usage = usage,
          .continuous_usage = usage && fields.continuous_usage,
          .prompt_tokens_details = openai.enable_prompt_tokens_details,
          .tokens_as_ids =
              fields.return_tokens_as_token_ids.value_or(openai.return_tokens_as_token_ids)};
}

}  // namespace pagoda
