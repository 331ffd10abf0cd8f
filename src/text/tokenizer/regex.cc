#include "text/tokenizer/regex.h"

#include <cstdint>
#include <string>

#include "text/tokenizer/regex_translation.h"

namespace pagoda {

Regex::Regex(std::string_view pattern) {
  if (const std::optional<std::string> translated = pcre2_from_oniguruma(pattern)) {
    engine_ = make_pcre2_engine(*translated, pattern);
  }
  if (engine_ == nullptr) engine_ = make_oniguruma_engine(pattern);
}

std::optional<Regex::Span> Regex::next(std::string_view text, Iteration& at,
                                       Scratch& scratch) const {
  while (at.from <= text.size()) {
    const std::optional<Span> match = find(text, at.from, scratch);
    if (!match) return std::nullopt;
    if (match->begin != match->end || at.last_end != match->end) {
      at.from = match->end;
      at.last_end = match->end;
      return match;
    }
    do {
      ++at.from;
    } while (at.from < text.size() && (static_cast<uint8_t>(text[at.from]) & 0xC0) == 0x80);
  }
  return std::nullopt;
}

}  // namespace pagoda
