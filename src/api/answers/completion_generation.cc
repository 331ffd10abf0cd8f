#include "api/answers/completion_generation.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/answers/answer_logprobs.h"
#include "api/answers/usage.h"
#include "base/json_writer.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

namespace json = boost::json;

int64_t sum_of_prompts(const CompletionOptions& options) {
  int64_t sum = 0;
  for (const EchoedPrompt& p : options.prompts) sum += static_cast<int64_t>(p.tokens.size());
  return sum;
}

class CompletionGeneration : public Generation {
 public:
  CompletionGeneration(AnswerFrame frame, std::vector<PlannedChoice> plan,
                       CompletionOptions options)
      : Generation(std::move(frame), std::move(plan), sum_of_prompts(options)),
        options_(std::move(options)),
        answers_(static_cast<size_t>(num_choices())) {
    json::object head = envelope();
    head_ = to_json(head);
    head_.pop_back();  // its "}"
    head_ += ",\"choices\":[";
  }

 protected:
  void on_delta(int index, ChoiceDelta delta) override {
    Answer& answer = answers_[static_cast<size_t>(index)];
    if (frame().stream) {
      send_chunk(index, answer, delta);
      return;
    }
    answer.text += delta.text;
    std::move(delta.tokens.begin(), delta.tokens.end(), std::back_inserter(answer.tokens));
    std::move(delta.logprobs.begin(), delta.logprobs.end(), std::back_inserter(answer.logprobs));
    std::move(delta.prompt_logprobs.begin(), delta.prompt_logprobs.end(),
              std::back_inserter(answer.prompt_logprobs));
    if (delta.finish) answer.finish = delta.finish;
    if (delta.finish) answer.stop_reason = std::move(delta.stop_reason);
  }

  void on_end() override {
    if (!frame().include_usage) return;
    send(head_, fmt::format("],\"usage\":{}}}", to_json(usage_without_nulls(total_usage()))));
  }

  json::object body() override {
    json::object out = envelope();
    json::array choices;
    for (int i = 0; i < num_choices(); ++i) choices.emplace_back(choice_object(i));
    out["choices"] = std::move(choices);
    out["usage"] = usage_with_details(total_usage());
    out["kv_transfer_params"] = nullptr;
    return out;
  }

 private:
  struct Answer {
    std::string text;
    std::vector<TokenId> tokens;
    std::vector<TokenLogprobs> logprobs, prompt_logprobs;
    std::optional<FinishReason> finish;
    json::value stop_reason;
    bool echoed = false;
    size_t text_length = 0;  // code points sent, without the prompt
  };

  json::object envelope() const {
    return {{"id", frame().id},
            {"object", "text_completion"},
            {"created", frame().created},
            {"model", frame().model}};
  }

  const EchoedPrompt& prompt_of(int index) const {
    return options_.prompts[static_cast<size_t>(index / options_.choices_per_prompt)];
  }

  Usage total_usage() const {
    return {.prompt_tokens = prompt_tokens(),
            .completion_tokens = completion_tokens(),
            .cached_tokens = frame().prompt_tokens_details ? cached_tokens() : 0};
  }

  // What log-probabilities are shown of: with echo, the prompt's tokens come first.
  json::value logprobs_of(int index, bool with_prompt, const Answer& part) const {
    if (!options_.logprobs) return nullptr;
    std::vector<ScoredToken> tokens;
    if (with_prompt) {
      const std::vector<TokenId>& prompt = prompt_of(index).tokens;
      for (size_t i = 0; i < prompt.size(); ++i) {
        const bool known = i > 0 && i - 1 < part.prompt_logprobs.size();
        tokens.push_back({prompt[i], known ? &part.prompt_logprobs[i - 1] : nullptr});
      }
    }
    for (size_t i = 0; i < part.tokens.size() && !options_.only_echo; ++i) {
      tokens.push_back({part.tokens[i], i < part.logprobs.size() ? &part.logprobs[i] : nullptr});
    }
    return completion_logprobs(tokens, part.text_length,
                               {.tokenizer = frame().tokenizer,
                                .num_top = *options_.logprobs,
                                .tokens_as_ids = frame().tokens_as_ids});
  }

  json::object choice_object(int index) {
    Answer& answer = answers_[static_cast<size_t>(index)];
    std::string text = options_.echo ? prompt_of(index).text : std::string();
    if (!options_.only_echo) text += answer.text;
    json::object out = {{"index", index}, {"text", text}};
    out["logprobs"] = logprobs_of(index, options_.echo, answer);
    out["finish_reason"] = name_of(answer.finish.value_or(FinishReason::kAbort));
    out["stop_reason"] = answer.stop_reason;
    out["prompt_logprobs"] = nullptr;
    if (options_.prompt_logprobs) {
      out["prompt_logprobs"] = prompt_logprobs(answer.prompt_logprobs, *frame().tokenizer);
    }
    return out;
  }

  void send_chunk(int index, Answer& answer, ChoiceDelta& delta) {
    if (delta.tokens.empty() && !delta.finish) return;
    std::string text;
    const bool echo = options_.echo && !answer.echoed;
    if (echo) text = prompt_of(index).text;
    if (!options_.only_echo) text += delta.text;
    answer.echoed = true;
    std::string logprobs = "null";
    if (options_.logprobs) {
      Answer part;
      part.tokens = std::move(delta.tokens);
      part.logprobs = std::move(delta.logprobs);
      part.prompt_logprobs = std::move(delta.prompt_logprobs);
      part.text_length = answer.text_length;
      logprobs = to_json(logprobs_of(index, echo, part));
    }
    if (!options_.only_echo) answer.text_length += num_code_points(delta.text);

    std::string chunk = fmt::format("{{\"index\":{},\"text\":", index);
    append_json_string(chunk, text, false);
    chunk += ",\"logprobs\":";
    chunk += logprobs;
    chunk += finish_fields(delta);
    chunk += frame().continuous_usage ? to_json(usage_with_details(usage_of(index))) : "null";
    chunk += '}';
    send(head_, chunk);
  }

  static std::string finish_fields(const ChoiceDelta& delta) {
    if (!delta.finish) return ",\"finish_reason\":null,\"stop_reason\":null}],\"usage\":";
    return fmt::format(",\"finish_reason\":\"{}\",\"stop_reason\":{}}}],\"usage\":",
                       name_of(*delta.finish), to_json(delta.stop_reason));
  }

  Usage usage_of(int index) const {
    return {.prompt_tokens = static_cast<int64_t>(prompt_of(index).tokens.size()),
            .completion_tokens = choice(index).num_tokens()};
  }

  const CompletionOptions options_;
  std::string head_;  // of every chunk, up to its choices
  std::vector<Answer> answers_;
};

}  // namespace

std::unique_ptr<Generation> make_completion_generation(AnswerFrame frame,
                                                       std::vector<PlannedChoice> plan,
                                                       CompletionOptions options) {
  return std::make_unique<CompletionGeneration>(std::move(frame), std::move(plan),
                                                std::move(options));
}

}  // namespace pagoda
