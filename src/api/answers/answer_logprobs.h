// Log-probabilities as the two APIs show them.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/engine_client.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {

struct LogprobStyle {
  const Tokenizer* tokenizer = nullptr;
  int num_top = 0;             // as asked for
  bool tokens_as_ids = false;  // "token_id:17" instead of the token
};

// A token of a text and what the engine said about it; null for the first token of a prompt.
struct ScoredToken {
  TokenId token;
  const TokenLogprobs* logprobs = nullptr;
};

// {"text_offset":[],"token_logprobs":[],"tokens":[],"top_logprobs":[]}. Offsets count code points.
boost::json::object completion_logprobs(std::span<const ScoredToken> tokens, size_t first_offset,
                                        const LogprobStyle& style);
// {"content":[{"token","logprob","bytes","top_logprobs"}]}
boost::json::object chat_logprobs(std::span<const TokenLogprobs> tokens, const LogprobStyle& style);
// [null, {"<id>": {"logprob","rank","decoded_token"}}, ...]
boost::json::array prompt_logprobs(std::span<const TokenLogprobs> of_second_and_later,
                                   const Tokenizer& tokenizer);

}  // namespace pagoda
