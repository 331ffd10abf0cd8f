#include "api/answers/generation.h"

#include <boost/json.hpp>

#include "base/json_writer.h"
#include "base/log.h"

namespace pagoda {
namespace {

// A log-probability takes 1 to 2 us to write, so what has more would hold up an I/O thread for
// longer than a decoding step.
constexpr int64_t kLargeReplyLogprobs = 4096;
// A token's text is written in so much less time.
constexpr int64_t kTokensPerLogprob = 16;

// With the token itself, which may not be among the most likely ones.
int64_t num_of(std::optional<int> most_likely) {
  return most_likely ? *most_likely + 1 : 0;
}

}  // namespace

Generation::Generation(AnswerFrame frame, std::vector<PlannedChoice> plan, int64_t prompt_tokens)
    : frame_(std::move(frame)),
      prompt_tokens_(prompt_tokens),
      num_open_(static_cast<int>(plan.size())) {
  requests_.reserve(plan.size());
  choices_.reserve(plan.size());
  for (PlannedChoice& planned : plan) {
    const SamplingParams& sampling = planned.request.sampling;
    prompt_logprobs_ +=
        num_of(sampling.prompt_logprobs) * static_cast<int64_t>(planned.request.prompt.size());
    logprobs_per_token_ = num_of(sampling.logprobs);
    requests_.push_back(std::move(planned.request));
    choices_.push_back(std::move(planned.choice));
  }
}

Generation::~Generation() {
  if (!failure_) cancel_open();
}

// Where there is no memory to say so, the engine goes on to the end of what it was asked for.
void Generation::cancel_open() noexcept {
  if (!submitted_) return;
  try {
    for (const Choice& c : choices_) {
      if (!c.is_finished()) frame_.engine->cancel(c.id(), FinishReason::kAbort);
    }
  } catch (const std::exception& e) {
    LOG_ERROR("{}: cannot be cancelled: {}", frame_.id, e.what());
  }
}

std::vector<Request> Generation::take_requests() {
  submitted_ = true;
  return std::move(requests_);
}

void Generation::on_event(int index, Event event) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  if (failure_ || choice.is_finished()) return;
  if (!event.error.empty()) {
    fail(engine_failure(std::move(event.error)));
    return;
  }
  if (index == 0) cached_tokens_ = std::max(cached_tokens_, event.cached_tokens);
  ChoiceDelta delta = choice.add(std::move(event));
  if (delta.engine_still_runs) frame_.engine->cancel(choice.id(), FinishReason::kStop);
  const bool is_end = delta.finish.has_value();
  on_delta(index, std::move(delta));
  if (is_end && num_open_ == 1 && frame_.stream) {
    on_end();
    unsent_ += "data: [DONE]\n\n";
  }
  if (is_end) --num_open_;  // last: what throws before leaves an answer that is not done
}

void Generation::fail(Failure failure) {
  if (is_done()) return;
  cancel_open();
  failure_ = std::move(failure);
  if (frame_.stream) unsent_ += stream_error(failure_->status, failure_->type, failure_->message);
}

HttpReply Generation::reply() {
  if (failure_) return failure_reply(*failure_);
  return json_reply(200, to_json(body()));
}

bool Generation::has_large_reply() const {
  const int64_t tokens = completion_tokens();
  return prompt_logprobs_ + tokens * logprobs_per_token_ + tokens / kTokensPerLogprob >
         kLargeReplyLogprobs;
}

void Generation::send(std::string_view begin, std::string_view end) {
  unsent_ += "data: ";
  unsent_ += begin;
  unsent_ += end;
  unsent_ += "\n\n";
}

int64_t Generation::longest_choice() const {
  int64_t most = 0;
  for (const Choice& c : choices_) most = std::max(most, c.num_tokens());
  return most;
}

int64_t Generation::completion_tokens() const {
  int64_t sum = 0;
  for (const Choice& c : choices_) sum += c.num_tokens();
  return sum;
}

}  // namespace pagoda
