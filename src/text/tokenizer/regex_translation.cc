#include "text/tokenizer/regex_translation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <vector>

#include "base/str.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

// White_Space spelled out, because PCRE2's \s also has U+180E; Oniguruma's word characters, because
// PCRE2's \w lacks marks and connectors.
constexpr std::string_view kSpace =
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}"
    "\\x{3000}";
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
// Outside a class, Oniguruma also takes the numbers of Latin-1 that are no digits for words (6.9.8
// by \w alone, the reference's 6.9.10 by \p{Word} too).
constexpr std::string_view kMoreWordAlone = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

constexpr auto kCategories = std::to_array<std::string_view>(
    {"C",  "Cc", "Cf", "Cn", "Co", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
     "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf",
     "Pi", "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"});

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_ascii(char c) {
  return (static_cast<uint8_t>(c) & 0x80) == 0;
}

bool are_hex_digits(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("0123456789ABCDEFabcdef") == std::string_view::npos;
}

std::optional<int> number_of(std::string_view digits) {
  int number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [behind, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc() && behind == end && number >= 0 ? std::optional(number)
                                                              : std::nullopt;
}

// What stands for a set, between [ and ] or by itself; its complement may have no form in a class.
struct Set {
  std::string in_class, alone;
};

Set set_of(std::string_view inner, std::string_view more_alone, bool negated) {
  return {.in_class = negated ? "" : std::string(inner),
          .alone = str(negated ? "[^" : "[", inner, more_alone, "]")};
}

// Each step writes what it reads, or says false: not exactly expressible.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  std::optional<std::string> run() {
    while (at_ < in_.size()) {
      if (!element()) return std::nullopt;
    }
    if (!groups_.empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  enum class Group : uint8_t {
    kPlain,
    kIgnoresCase,  // holds no other
    kMandatory,    // a lookahead, or holds one
  };
  // What may stand behind: no quantifier, ? alone, or any.
  enum class Repeat : uint8_t { kNone, kOptional, kAny };

  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  bool ignores_case() const { return !groups_.empty() && groups_.back() == Group::kIgnoresCase; }

  bool write(std::string_view text, Repeat repeat) {
    out_ += text;
    repeat_ = repeat;
    return true;
  }
  bool copy(size_t size, Repeat repeat) { return write(taken(size), repeat); }
  std::string_view taken(size_t size) {
    at_ += size;
    return in_.substr(at_ - size, size);
  }

  bool element() {
    switch (in_[at_]) {
      case '\\': return escape();
      case '[': return char_class();
      case '(': return open_group();
      case ')': return close_group();
      case '|':
        if (groups_.empty()) num_loops_ = 0;
        return copy(1, Repeat::kNone);
      case '*':
      case '+':
      case '?': return repeat();
      case '{': return interval();
      case '^':
      case '$': return false;
      default: return literal();
    }
  }

  // Where case is ignored, no letter may follow one that begins what folds to two: s or f.
  bool ends_branch() const { return next_is("|") || next_is(")"); }

  bool literal() {
    const std::string_view character = take_character();
    if (character.empty()) return false;
    const bool begins_fold = std::string_view("sSfF").find(character) != std::string_view::npos;
    if (ignores_case() && begins_fold && !ends_branch()) return false;
    return write(character, Repeat::kAny);
  }

  // "": not expressible.
  std::string_view take_character() {
    if (at_ >= in_.size() || (ignores_case() && !is_ascii(in_[at_]))) return {};
    size_t end = at_;
    next_code_point(in_, end);
    return taken(end - at_);
  }

  bool open_group() {
    if (ignores_case()) return false;
    struct Head {
      std::string_view text;
      Group group;
    };
    constexpr auto kHeads = std::to_array<Head>(
        {{"(?i:", Group::kIgnoresCase}, {"(?:", Group::kPlain}, {"(?!", Group::kMandatory}});
    for (const Head& head : kHeads) {
      if (!next_is(head.text)) continue;
      groups_.push_back(head.group);
      return copy(head.text.size(), Repeat::kNone);
    }
    if (next_is("(?") || next_is("(*")) return false;
    groups_.push_back(Group::kPlain);
    return copy(1, Repeat::kNone);
  }

  bool close_group() {
    if (groups_.empty()) return false;
    const bool mandatory = groups_.back() == Group::kMandatory;
    groups_.pop_back();
    if (mandatory && !groups_.empty()) groups_.back() = Group::kMandatory;
    return copy(1, mandatory ? Repeat::kNone : Repeat::kOptional);
  }

  bool repeat() {
    const bool is_loop = !next_is("?");
    if (repeat_ == Repeat::kNone || (repeat_ == Repeat::kOptional && is_loop)) return false;
    const bool possessive = in_.substr(at_ + 1).starts_with('+');
    if (possessive) return repeat_ == Repeat::kAny && copy(2, Repeat::kNone);
    return copy(1, Repeat::kNone) && (!is_loop || loop());
  }

  bool loop() { return ++num_loops_ <= kMostLoops; }

  // {n}, {n,} or {n,m}
  bool interval() {
    const size_t close = in_.find('}', at_);
    if (repeat_ != Repeat::kAny || close == std::string_view::npos) return false;
    const std::string_view inner = in_.substr(at_ + 1, close - at_ - 1);
    const size_t comma = std::min(inner.find(','), inner.size());
    const std::optional<int> least = number_of(inner.substr(0, comma));
    copy(close + 1 - at_, Repeat::kNone);
    if (!least || comma == inner.size()) return least.has_value();
    if (comma + 1 == inner.size()) return loop();
    const std::optional<int> most = number_of(inner.substr(comma + 1));
    return most && *least <= *most;
  }

  bool escape() {
    if (const std::optional<Set> set = take_set()) return write(set->alone, Repeat::kAny);
    const std::string character = take_escaped_character();
    return !character.empty() && write(character, Repeat::kAny);
  }

  std::optional<Set> take_set() {
    if (ignores_case() || !next_is("\\") || at_ + 1 == in_.size()) return std::nullopt;
    const char c = in_[at_ + 1];
    const bool negated = c >= 'A' && c <= 'Z';
    switch (c) {
      case 's':
      case 'S': at_ += 2; return set_of(kSpace, "", negated);
      case 'w':
      case 'W': at_ += 2; return set_of(kWord, kMoreWordAlone, negated);
      case 'd':
      case 'D': at_ += 2; return category("Nd", negated);
      case 'p':
      case 'P': break;
      default: return std::nullopt;
    }
    const size_t close = std::min(in_.find('}', at_), in_.size());
    if (close == in_.size() || in_[at_ + 2] != '{') return std::nullopt;
    const std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    const bool is_word = name == "Word";
    if (!is_word && std::find(kCategories.begin(), kCategories.end(), name) == kCategories.end())
      return std::nullopt;
    at_ = close + 1;
    return is_word ? set_of(kWord, kMoreWordAlone, negated) : category(name, negated);
  }

  static Set category(std::string_view name, bool negated) {
    const std::string text = str(negated ? "\\P{" : "\\p{", name, "}");
    return {.in_class = text, .alone = text};
  }

  // "": not expressible.
  std::string take_escaped_character() {
    const std::string_view rest = in_.substr(at_ + 1);
    if (rest.empty() || !is_ascii(rest[0])) return "";
    const bool is_plain = !is_alphanumeric(rest[0]);
    if (is_plain || ignores_case()) return is_plain ? std::string(taken(2)) : "";
    if (std::string_view("nrtfae").find(rest[0]) != std::string_view::npos)
      return std::string(taken(2));
    if (rest[0] == 'u' && are_hex_digits(rest.substr(1, 4)) && rest.size() >= 5)
      return str("\\x{", taken(6).substr(2), "}");
    if (rest[0] != 'x') return "";
    const size_t close = rest.find('}');
    if (rest.starts_with("x{") && close <= 8 && are_hex_digits(rest.substr(2, close - 2)))
      return std::string(taken(close + 2));
    // From 80 on it is a byte, not a code point.
    const bool is_low = rest.size() >= 3 && rest[1] < '8' && are_hex_digits(rest.substr(1, 2));
    return is_low ? std::string(taken(4)) : "";
  }

  bool char_class() {
    std::string text(taken(next_is("[^") ? 2 : 1));
    if (next_is("]") || (ignores_case() && text.size() == 2)) return false;
    for (bool first = true, after_character = false; !next_is("]"); first = false) {
      if (at_ >= in_.size() || next_is("[") || next_is("&&")) return false;
      if (next_is("-")) {
        if (!dash(text, first, after_character)) return false;
        after_character = false;
        continue;
      }
      const std::optional<Set> set = take_set();
      const std::string item = set ? set->in_class : take_class_character();
      if (item.empty()) return false;
      text += item;
      after_character = !set;
    }
    ++at_;
    if (ignores_case() && !ends_branch()) return false;
    return write(text + "]", Repeat::kAny);
  }

  // A dash stands for itself at either end of a class, and makes a range between two characters.
  bool dash(std::string& text, bool first, bool after_character) {
    ++at_;
    if (first || next_is("]")) {
      text += "\\-";
      return true;
    }
    if (!after_character || next_is("-") || next_is("[") || next_is("&&")) return false;
    const std::string last = take_class_character();
    text += str("-", last);
    return !last.empty();
  }

  // "": not expressible.
  std::string take_class_character() {
    return next_is("\\") ? take_escaped_character() : std::string(take_character());
  }

  static constexpr int kMostLoops = 2;

  const std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  Repeat repeat_ = Repeat::kNone;  // of what was written last
  std::vector<Group> groups_;      // the open ones
  int num_loops_ = 0;              // of this alternative, that may go back
};

}  // namespace

std::optional<std::string> pcre2_from_oniguruma(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace pagoda
