#include "api/answers/choice.h"

#include <boost/json.hpp>
#include <utility>

namespace pagoda {

std::string_view name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kAbort: return "abort";
  }
  return "abort";
}

Choice::Choice(const RequestFields& fields, RequestId id, const Tokenizer& tokenizer,
               std::span<const TokenId> prompt)
    : id_(id),
      min_tokens_(fields.min_tokens.value_or(0)),
      include_stop_in_output_(fields.include_stop_in_output),
      detokenizer_(tokenizer,
                   {.skip_special_tokens = fields.skip_special_tokens,
                    .spaces_between_special_tokens = fields.spaces_between_special_tokens},
                   prompt),
      stops_(fields.stop),
      matcher_(fields.stop, fields.include_stop_in_output) {}

ChoiceDelta Choice::add(Event event) {
  ChoiceDelta delta;
  if (finished_) return delta;
  delta.prompt_logprobs = std::move(event.prompt_logprobs);
  // The token that ended the answer is counted, but it is no text unless asked for.
  const bool hide_last = event.finish == FinishReason::kStop && !include_stop_in_output_;
  for (size_t i = 0; i < event.tokens.size() && !delta.finish; ++i) {
    delta.tokens.push_back(event.tokens[i]);
    ++num_tokens_;
    if (hide_last && i + 1 == event.tokens.size()) break;
    add_token(event.tokens[i], delta);
  }
  delta.logprobs = std::move(event.logprobs);
  if (delta.logprobs.size() > delta.tokens.size()) {
    delta.logprobs.erase(delta.logprobs.begin() + static_cast<int64_t>(delta.tokens.size()),
                         delta.logprobs.end());
  }
  if (delta.finish) {
    delta.engine_still_runs = !event.finish.has_value();
  } else if (event.finish) {
    delta.text += matcher_.finish();
    delta.finish = event.finish;
    if (event.stop_token) delta.stop_reason = event.stop_token->value();
  }
  finished_ = delta.finish.has_value();
  return delta;
}

// As vLLM, which takes a U+FFFD at the end for a character that is not complete yet: it is sent
// when something follows, or never.
std::string Choice::whole_characters(std::string piece) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  if (piece.empty()) return piece;
  if (!broken_.empty()) piece.insert(0, std::exchange(broken_, {}));
  size_t end = piece.size();
  while (std::string_view(piece).substr(0, end).ends_with(kReplacement)) end -= kReplacement.size();
  broken_ = piece.substr(end);
  piece.resize(end);
  return piece;
}

void Choice::add_token(TokenId token, ChoiceDelta& delta) {
  const std::string piece = whole_characters(detokenizer_.add(token));
  StopMatcher::Match match = matcher_.add(piece, num_tokens_ > min_tokens_);
  delta.text += match.text;
  if (!match.stop) return;
  delta.finish = FinishReason::kStop;
  delta.stop_reason = boost::json::value(stops_[*match.stop]);
}

}  // namespace pagoda
