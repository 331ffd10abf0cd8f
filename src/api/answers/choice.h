// One answer of a request: a sequence in the engine whose tokens become text here. Stop strings are
// found here, because the engine knows tokens only.
//
// Thread rule: one thread at a time.
// Invariant: after a delta with a finish reason, no other follows.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/requests/request_fields.h"
#include "engine/engine_client.h"
#include "text/answer/detokenizer.h"
#include "text/answer/stop_matcher.h"

namespace pagoda {

// What one step adds to an answer.
struct ChoiceDelta {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenLogprobs> logprobs;         // one a token, where asked for
  std::vector<TokenLogprobs> prompt_logprobs;  // with the first delta
  std::optional<FinishReason> finish;
  boost::json::value stop_reason;  // the stop string, or the id of the stop token, or null
  bool engine_still_runs = false;  // a stop string ended it: the engine has to be told
};

class Choice {
 public:
  Choice(const RequestFields& fields, RequestId id, const Tokenizer& tokenizer,
         std::span<const TokenId> prompt);

  RequestId id() const { return id_; }
  bool is_finished() const { return finished_; }
  int64_t num_tokens() const { return num_tokens_; }

  ChoiceDelta add(Event event);

 private:
  void add_token(TokenId token, ChoiceDelta& delta);
  std::string whole_characters(std::string piece);

  const RequestId id_;
  const int64_t min_tokens_;
  const bool include_stop_in_output_;
  Detokenizer detokenizer_;
  const std::vector<std::string> stops_;
  StopMatcher matcher_;
  std::string broken_;  // replacement characters that the text ends with, not passed on yet
  int64_t num_tokens_ = 0;
  bool finished_ = false;
};

// "stop", "length", "abort"
std::string_view name_of(FinishReason reason);

}  // namespace pagoda
