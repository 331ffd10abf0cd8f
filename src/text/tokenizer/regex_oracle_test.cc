// What PCRE2 finds with translated expressions is what Oniguruma finds, which the reference uses.
#include <doctest/doctest.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/str.h"
#include "text/tokenizer/regex_translation.h"
#include "text/tokenizer/test_regex.h"

namespace pagoda {
namespace {

using testing::BothEngines;
using testing::check_random_texts;
using testing::cuts_of;
using testing::TextMaker;

// Every code point but surrogates, which no valid text has.
std::string all_code_points() {
  std::string text;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c < 0xD800 || c > 0xDFFF) append_utf8(text, c);
  }
  return text;
}

TEST_CASE("every code point is in the same sets") {
  const std::string text = all_code_points();
  for (const char* set :
       {"\\s", "\\S", "\\w", "\\W", "[\\w]", "[^\\w]", "[^\\s]", "\\d", "\\D", "[\\D]", ".",  "C",
        "Cc",  "Cf",  "Cn",  "Co",  "L",     "Ll",     "Lm",     "Lo",  "Lt",  "Lu",    "M",  "Mc",
        "Me",  "Mn",  "N",   "Nd",  "Nl",    "No",     "P",      "Pc",  "Pd",  "Pe",    "Pf", "Pi",
        "Po",  "Ps",  "S",   "Sc",  "Sk",    "Sm",     "So",     "Z",   "Zl",  "Zp",    "Zs"}) {
    const bool is_category = set[0] >= 'A' && set[0] <= 'Z';
    BothEngines(is_category ? str("\\p{", set, "}+") : str(set, "+")).check(text);
    if (is_category) BothEngines(str("[^\\P{", set, "}]+")).check(text);
  }
}

TEST_CASE("where case is ignored, an ASCII letter is the same code points") {
  const std::string text = all_code_points();
  for (char c = 'a'; c <= 'z'; ++c) BothEngines(str("(?i:", c, ")")).check(text);
  BothEngines("(?i:[d-k])").check(text);
  BothEngines("(?i:[A-Z])").check(text);
  BothEngines("(?i:[ -@\\[-~])").check(text);
}

// As the tokenizer.json of these families has them.
constexpr std::string_view kFamilies[] = {
    // GPT-2
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
    // Llama 3
    (R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)"),
    // Qwen2, Qwen3
    (R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)"),
    // GPT-4
    (R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|)"
     R"(\s*[\r\n]|\s+(?!\S)|\s+)"),
    // GPT-4o
    (R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+)"
     R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+)"
     R"([\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
    // DeepSeek V3
    R"(\p{N}{1,3})",
    R"([一-龥぀-ゟ゠-ヿ]+)",
    (R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
     R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
    // DeepSeek Coder
    R"(\s?\p{L}+)",
    R"(\s?\p{P}+)",
};

TEST_CASE("the expressions of large families are run by PCRE2 and cut as Oniguruma cuts") {
  for (const std::string_view pattern : kFamilies) check_random_texts(std::string(pattern), 400);
}

TEST_CASE("what is translated means the same, down to its corners") {
  for (const char* pattern : {"",
                              "}",
                              "]",
                              "a]",
                              "\\]",
                              "\\'",
                              "\\`",
                              "\\<",
                              "\\>",
                              "\\_",
                              "\\ ",
                              "\\\n",
                              "#",
                              "a|",
                              "|a",
                              "(|a)",
                              "()",
                              "(?:)",
                              "a||b",
                              "\\x41",
                              "\\x{41}",
                              "\\x{1F600}+",
                              "\\u4e00",
                              "\\u0301",
                              "[\\u0900-\\u097f]+",
                              "[\\x00-\\x1f]",
                              "\\e|\\a|\\f|\\t",
                              "[\\e\\a\\f\\t]",
                              "[-a]+",
                              "[a-]+",
                              "[^-a]+",
                              "[a\\-z]+",
                              "[\\w-]+",
                              "[a-c-]+",
                              "[a&]+",
                              "[&a]+",
                              "[a^]+",
                              "[\\]\\[]+",
                              "[.]+",
                              "[$|(){}*+?]+",
                              "[ #]+",
                              "[\\s\\d]+",
                              "[^\\s\\d]+",
                              "[\\p{L}_]+",
                              "[^\\P{L}]+",
                              "[\\D]",
                              "(?!\\s)",
                              "(?!a|(b))\\w",
                              "\\s+(?!\\S)",
                              "a++a",
                              "a?+a",
                              "a*+a",
                              "a{2}",
                              "a{2,}",
                              "a{1,2}",
                              "a{0}b",
                              "a{0,1}b",
                              "(ab)?",
                              "(?:a|b)?c",
                              "(a|ab)(c|bcd)(d*)",
                              "(a?)?b",
                              "(|a)?b",
                              "(?i:a)",
                              "(?i:'s|'t)",
                              "(?i:'s)?x",
                              "(?i:'[sdmt])",
                              "(?i:us|of)",
                              "(?i:k+)",
                              "(?i:kk)",
                              "(?i:a.s)",
                              "(?i:a{2})",
                              "(?i:s)s",
                              "s(?i:s)",
                              "(?i:s)(?i:t)",
                              "(?i:s|f)",
                              "(?i:[a-z])",
                              "(?i:l\\.l)",
                              "(?i:.)",
                              "[\\w\\x{200C}\\x{200D}]+|[^\\w\\x{200C}\\x{200D}\\s]+"}) {
    check_random_texts(pattern, 200);
  }
}

// Draws expressions from what the translation says it expresses.
class PatternMaker {
 public:
  explicit PatternMaker(uint32_t seed) : choices_(seed) {}

  std::string alternatives(int depth) {  // NOLINT(misc-no-recursion)
    std::string pattern = branch(depth);
    while (choices_.below(3) == 0) pattern += str("|", branch(depth));
    return pattern;
  }

 private:
  std::string branch(int depth) {  // NOLINT(misc-no-recursion)
    std::string pattern;
    for (uint32_t n = choices_.below(4); n > 0; --n) pattern += piece(depth);
    return pattern;
  }

  std::string piece(int depth) {  // NOLINT(misc-no-recursion)
    const uint32_t kind = choices_.below(10);
    if (kind == 0) return str("(?i:", one_of({"k", "'s", "'[sdmt]|ll", "a|b+", "of"}), ")");
    if (kind == 1) return str("(?i:", one_of({"'s|'t", "[a-f]", "l{2}"}), ")?");
    if (kind == 2 && depth > 0) return str("(?!", alternatives(depth - 1), ")");
    if (kind < 5 && depth > 0) {
      return str(one_of({"(", "(?:"}), alternatives(depth - 1), one_of({")", ")?"}));
    }
    return atom() + quantifier();
  }

  std::string atom() {
    return one_of(
        {"a",      "b",      "s", "k",    " ",    "\\n",      "\\s",          "\\S",   "\\w", "\\d",
         "\\p{L}", "\\P{N}", ".", "[ab]", "[^a]", "[\\s\\d]", "[^\\s\\p{L}]", "[a-k]", "é",   "ß"});
  }

  std::string quantifier() {
    return one_of(
        {"", "", "", "*", "+", "?", "*+", "++", "?+", "{2}", "{1,}", "{0,2}", "{1,3}", "{0}"});
  }

  std::string one_of(std::initializer_list<const char*> choices) {
    return choices.begin()[choices_.below(choices.size())];
  }

  TextMaker choices_;
};

TEST_CASE("whatever expression is made of what is translated means the same") {
  PatternMaker patterns(7);
  int num_compared = 0;
  for (int i = 0; i < 6000; ++i) {
    const std::string pattern = patterns.alternatives(2);
    if (!pcre2_from_oniguruma(pattern)) continue;
    check_random_texts(pattern, 10);
    ++num_compared;
  }
  CHECK(num_compared > 4000);
}

TEST_CASE("what is not exactly expressible is left to Oniguruma") {
  for (const char* pattern :
       {"(?i:ss|k)",   "(?i:st)",  "(?i:ß)",    "(?i:é)",      "(?i:s+)",      "(?i:[s]s)",
        "(?i:(a))",    "(?i:a)+",  "(?i:[^a])", "(?i:\\w)",    "(?i:\\x73s)",  "(?i)a",
        "a(?i)b|c",    "(?m:.)",   "(?x:a b)",  "(?-i:a)",     "(a)\\1",       "(?<n>a)",
        "\\k<n>",      "\\g<0>",   "(?~a)",     "(?#a)",       "(*FAIL)",      "^",
        "$",           "\\A",      "\\z",       "\\Z",         "\\G",          "\\b",
        "\\B",         "\\h",      "\\H",       "\\R",         "\\X",          "\\O",
        "\\N",         "\\K",      "\\v",       "\\0",         "\\012",        "\\xE4",
        "\\x{41 42}",  "\\p{Han}", "\\p{^L}",

        "\\p{letter}", "\\p{L",    "\\p",       "[[:alpha:]]", "[a[b]]",       "[a-w&&[^c-g]]",
        "[a-&&b]",     "[\\S]",    "[^\\W]",    "[\\w-z]",     "[a-c-e]",      "[--/]",
        "[+--]",       "[]a]",     "[a-\\d]",   "(?=a)",       "(?<=a)",       "(?<!a)",
        "(?>a)",       "(?:a)*",   "(a|b){2}",  "(a)?+",       "((?!a)b)?",    "(?!a)?",
        "a{3}+",       "a{1,3}+",  "a{3}?",     "a{,3}",       "a{3,1}",       "a{-1}",
        "a{1,-2}",     "a{1,2",    "a{}",       "a{1,2,3}",    "a{",           "{",
        "a**",         "a+?",      "a??",       "a*a*a*",      "(a+|b+)c{2,}", "a|*",
        "(+)",         "a)",       "(a"}) {
    INFO(pattern);
    CHECK(!pcre2_from_oniguruma(pattern));
  }
}

std::vector<std::string> matches_of(const char* pattern, std::string_view text) {
  std::vector<std::string> matches;
  Regex::Scratch scratch;
  Regex(pattern).split(text, scratch, [&](Regex::Span span, bool is_match) {
    if (is_match) matches.emplace_back(text.substr(span.begin, span.end - span.begin));
  });
  return matches;
}

TEST_CASE("what is left to Oniguruma works") {
  using Matches = std::vector<std::string>;
  CHECK(matches_of("(?i:ss|k)", "SS ß K x") == Matches{"SS", "ß", "K"});
  CHECK(matches_of("[\\p{L}&&[^\\p{Han}]]+", "ab中文cd、") == Matches{"ab", "cd"});
  CHECK(matches_of("\\b\\w", "ab cd") == Matches{"a", "c"});
  CHECK(matches_of("a\\Kb", "ab b ab") == Matches{"b", "b"});
  CHECK(matches_of("(?<=a\\K)b", "ab") == Matches{"b"});
}

std::string refusal_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no refusal";
}

TEST_CASE("an expression that neither engine understands is shown with the reason") {
  CHECK(refusal_of([] { Regex("a(b"); }) ==
        "the regular expression \"a(b\" is not understood: end pattern with unmatched parenthesis; "
        "mend it, or get the file again");
}

TEST_CASE("a search that goes back too often is given up by either engine") {
  std::string pattern, text(60, 'a');
  for (int i = 0; i < 40; ++i) pattern += "(a)?";  // 2^40 ways
  pattern += "[bc]d";
  text += " b d";
  const auto refusal = [&](std::string_view reason) {
    return str("the text cannot be split into words by this model's regular expression \"", pattern,
               "\": ", reason,
               "; send a shorter text, or one without long runs of one kind of character");
  };
  CHECK(refusal_of([&] { cuts_of(Regex(pattern), text); }) == refusal("match limit exceeded"));
  CHECK(refusal_of([&] { cuts_of(Regex::by_oniguruma(pattern), text); }) ==
        refusal("retry-limit-in-match over"));
}

TEST_CASE("where PCRE2 could not count its steps, Oniguruma gives up") {
  CHECK(refusal_of([] {
          cuts_of(Regex("a*a*a*a*[bc]d"), std::string(600, 'a') + "b d");
        }).find("retry-limit-in-match over") != std::string::npos);
}

TEST_CASE("words of a megabyte are cut by the expressions of large families") {
  for (const std::string_view pattern : kFamilies) {
    const Regex regex(pattern);
    for (const char* unit : {"x", "X", " ", "\n", "中", "!", "a\u0301", "'s", "é "}) {
      std::string text;
      while (text.size() < size_t{1} << 20) text += unit;
      CHECK(cuts_of(regex, text).size() > 0);
    }
  }
}

TEST_CASE("a long text of what does not match is searched to its end by either engine") {
  const std::string pattern = "(a|b)?c+|[de]f", text(size_t{1} << 24, 'x');
  CHECK(cuts_of(Regex(pattern), text).size() == 1);
  CHECK(cuts_of(Regex::by_oniguruma(pattern), text).size() == 1);
}

}  // namespace
}  // namespace pagoda
