// What the tests of regular expressions share: texts that expressions may stumble over, and
// Oniguruma as the oracle of what PCRE2 finds in them.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer/regex.h"

namespace pagoda::testing {

// Letters of all kinds and cases (also those that fold to several or to ASCII), marks, digits and
// numbers, blanks and ends of lines, marks of words, punctuation, joiners, what is unassigned.
constexpr std::u32string_view kInterestingCodePoints =
    U"aAbsStTfFiIlLkKdDmMvVrRezZ0123789_ \n\r\t\v\f\0 ''\"’.,;:!?-+*/\\|()[]{}<>=&%$#@^~`"
    U"éÉßẞſKÅﬀﬁﬆİıǅǆªº²³¹½Ⅷⅷⓐ①٣७𝟗ͅά\u0301\u0308\u093E\u20DD"
    U"\u0085\u00A0\u1680\u180E\u2003\u200B\u200C\u200D\u2028\u2029\u202F\u205F\u3000\uFEFF"
    U"一龥々の゠カ한ᄀ\u0E01ا中«»“”„…—‿€∀☺👩🏽\u0378\uE000"
    U"\U000E0001"
    U"\U0010FFFF";

class TextMaker {
 public:
  explicit TextMaker(uint32_t seed) : random_(seed) {}

  uint32_t below(size_t bound) { return static_cast<uint32_t>(random_() % bound); }

  // Runs of one code point, single ones, and pieces of the expression itself, which may match.
  std::string make(std::string_view pattern) {
    std::string text;
    for (uint32_t n = below(24); n > 0; --n) {
      const char32_t c = kInterestingCodePoints[below(kInterestingCodePoints.size())];
      const size_t times = below(4) == 0 ? 1 + below(5) : 1;
      for (size_t i = 0; i < times; ++i) append_utf8(text, c);
      if (pattern.empty() || below(3) != 0) continue;
      const size_t at = below(pattern.size());
      text += to_valid_utf8(pattern.substr(at, 1 + below(4)));
    }
    return text;
  }

 private:
  std::mt19937 random_;
};

using Cuts = std::vector<std::pair<size_t, bool>>;  // end of each stretch, and whether it matches

inline Cuts cuts_of(const Regex& regex, std::string_view text) {
  Cuts cuts;
  Regex::Scratch scratch;
  regex.split(text, scratch,
              [&cuts](Regex::Span span, bool is_match) { cuts.emplace_back(span.end, is_match); });
  return cuts;
}

// None if the search was given up: engines count their steps differently.
inline std::optional<Cuts> cuts_or_none(const Regex& regex, std::string_view text) {
  try {
    return cuts_of(regex, text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// One expression in both engines.
class BothEngines {
 public:
  explicit BothEngines(const std::string& pattern)
      : pattern_(pattern), pcre2_(pattern), oniguruma_(Regex::by_oniguruma(pattern)) {
    INFO("\"", pattern, "\" is not translated");
    REQUIRE(!pcre2_.is_by_oniguruma());
  }

  void check(const std::string& text) const {
    INFO("\"", pattern_, "\" in \"", text, "\"");
    const std::optional<Cuts> cuts = cuts_or_none(pcre2_, text),
                              expected = cuts_or_none(oniguruma_, text);
    if (cuts && expected) CHECK(*cuts == *expected);
  }

 private:
  const std::string pattern_;
  const Regex pcre2_, oniguruma_;
};

inline void check_random_texts(const std::string& pattern, int num_texts) {
  const BothEngines engines(pattern);
  TextMaker texts(static_cast<uint32_t>(pattern.size()));
  for (int i = 0; i < num_texts; ++i) engines.check(texts.make(pattern));
}

}  // namespace pagoda::testing
