#include "api/routes/routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>

#include "api/http/error_body.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr int64_t kMaxChoices = 4096;
constexpr int64_t kMaxTokensOfChoices = int64_t{16} << 20;  // 64 MiB of token ids

}  // namespace

bool serves_model(const std::string& model, const RouteContext& context) {
  const std::vector<std::string>& names = context.openai().served_model_names;
  return model.empty() || std::find(names.begin(), names.end(), model) != names.end();
}

RouteAnswer unknown_model(const std::string& model) {
  return {
      .reply = error_reply(404, "NotFoundError", str("The model `", model, "` does not exist.")),
      .generation = nullptr};
}

RouteAnswer invalid_request(const ValidationErrors& errors) {
  return {.reply = error_reply(400, "Bad Request", errors.message()), .generation = nullptr};
}

AnswerFrame answer_frame(const RequestFields& fields, std::string id, const RouteContext& context) {
  const bool usage = fields.include_usage ||
                     (fields.has_stream_options && context.openai().enable_force_include_usage);
  return {.engine = context.parts.engine,
          .tokenizer = context.parts.tokenizer,
          .id = std::move(id),
          .model = fields.model.empty() ? context.default_model() : fields.model,
          .created = std::time(nullptr),
          .stream = fields.stream,
          .include_usage = usage,
          .continuous_usage = usage && fields.continuous_usage,
          .prompt_tokens_details = context.openai().enable_prompt_tokens_details,
          .tokens_as_ids = fields.return_tokens_as_token_ids.value_or(
              context.openai().return_tokens_as_token_ids)};
}

void ChoicePlanner::add(const Prompt& prompt, std::vector<PlannedChoice>& plan) const {
  for (int64_t i = 0; i < fields.n.value_or(1); ++i) {
    Request request = {.id = context.parts.engine->next_id(),
                       .prompt = prompt.tokens,
                       .pictures = prompt.pictures,
                       .sampling = params,
                       .priority = fields.priority,
                       .cache_salt = fields.cache_salt};
    if (params.seed) request.sampling.seed = *params.seed + static_cast<uint64_t>(i);
    Choice choice(fields, request.id, *context.parts.tokenizer, prompt.tokens);
    plan.push_back({.request = std::move(request), .choice = std::move(choice)});
  }
}

void check_size(const RequestFields& fields, const std::vector<const TokenIds*>& prompts) {
  const int64_t n = fields.n.value_or(1);
  if (n > kMaxChoices || n * static_cast<int64_t>(prompts.size()) > kMaxChoices) {
    throw Error(ErrorKind::kRequest,
                str("n: ", n, " choices of ", prompts.size(), " prompts are more than the ",
                    kMaxChoices, " that one request may have; send several requests"));
  }
  int64_t tokens = 0;
  for (const TokenIds* prompt : prompts) tokens += n * static_cast<int64_t>(prompt->size());
  if (tokens > kMaxTokensOfChoices) {
    throw Error(ErrorKind::kRequest,
                str("prompt: all choices together have ", tokens, " prompt tokens, more than the ",
                    kMaxTokensOfChoices, " that one request may have; send several requests"));
  }
}

}  // namespace pagoda
