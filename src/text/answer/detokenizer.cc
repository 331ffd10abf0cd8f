#include "text/answer/detokenizer.h"

namespace pagoda {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, const DetokenizerOptions& options,
                         std::span<const TokenId> prompt)
    : tokenizer_(tokenizer), options_(options), stream_(tokenizer.decoder()) {
  // What matters of the prompt is how it begins (whether there is text at all) and ends (whether
  // within a code point); a few tokens that are not skipped tell.
  constexpr size_t kTellingTokens = 16;
  size_t begin = 0, end = prompt.size();
  for (size_t n = 0; begin < end && n < kTellingTokens; ++begin) {
    add(prompt[begin]);
    n += is_skipped(prompt[begin]) ? 0 : 1;
  }
  size_t tail = end;
  for (size_t n = 0; tail > begin && n < kTellingTokens; --tail) {
    n += is_skipped(prompt[tail - 1]) ? 0 : 1;
  }
  for (; tail < end; ++tail) add(prompt[tail]);
}

bool Detokenizer::is_skipped(TokenId id) const {
  return options_.skip_special_tokens && tokenizer_.is_special(id);
}

std::string Detokenizer::add(TokenId id) {
  const std::string token = tokenizer_.token(id);
  if (token.empty()) return {};
  if (is_skipped(id)) return {};
  std::string text;
  stream_.add(token, text);
  const bool is_added = tokenizer_.is_added(id);
  const bool joins = is_added && last_was_added_;
  last_was_added_ = is_added;
  const bool without_spaces =
      !options_.skip_special_tokens && !options_.spaces_between_special_tokens;
  return joins && without_spaces ? token : text;
}

std::string Detokenizer::finish() {
  std::string text;
  stream_.finish(text);
  return text;
}

}  // namespace pagoda
