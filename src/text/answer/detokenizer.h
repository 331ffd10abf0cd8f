// The text of one sequence while its tokens arrive.
//
// Thread rule: one thread at a time.
// Invariant: all that add() returned, then finish(), is decode(prompt + tokens) without what
// decode(prompt) begins it with; no piece ends within a code point.
#pragma once

#include <span>
#include <string>

#include "text/tokenizer/token_decoder.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {

struct DetokenizerOptions {
  bool skip_special_tokens = true;
  // False: no blank between two added tokens in a row (only tokenizers without a decoder put one).
  bool spaces_between_special_tokens = true;
};

class Detokenizer {
 public:
  // The prompt decides whether a leading blank belongs to the text ("▁the" after something is
  // " the", at the beginning "the"). The tokenizer must outlive the detokenizer.
  explicit Detokenizer(const Tokenizer& tokenizer, const DetokenizerOptions& options = {},
                       std::span<const TokenId> prompt = {});

  // The text that became final with this token: often empty within a code point.
  std::string add(TokenId id);
  // What an unfinished code point at the end stands for: U+FFFD, or "". vLLM never sends this, so
  // an answer that breaks off within a code point ends before it there.
  std::string finish();

 private:
  bool is_skipped(TokenId id) const;

  const Tokenizer& tokenizer_;
  DetokenizerOptions options_;
  TokenDecoder::Stream stream_;
  bool last_was_added_ = false;
};

}  // namespace pagoda
