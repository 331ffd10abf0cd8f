// Oniguruma's regular expressions (its default syntax, as documented in its doc/RE and
// doc/SYNTAX.md) written for PCRE2.
//
// A character class becomes an expression for one code point: plain classes stay classes; what
// PCRE2 classes cannot hold (a complement or a class inside, &&) is put together from alternatives
// and lookaheads.
//
// Not covered: under (?i) Oniguruma lets "ss" match "ß"; PCRE2 folds single code points only.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizer/regex.h"

namespace pagoda {
namespace {

// What stands for a set inside [...]. Unicode's White_Space spelled out, because PCRE2's \s also
// has U+180E; Oniguruma's word characters, because PCRE2's \w lacks marks and connectors.
constexpr std::string_view kSpace =
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}"
    "\\x{3000}";
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
// Outside a class, Oniguruma also takes the numbers of Latin-1 that are no digits for words.
constexpr std::string_view kWordAlone =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr std::string_view kHexDigit = "0-9A-Fa-f";

struct NamedSet {
  std::string_view name;  // lower case, without blanks, - and _
  std::string_view set;
};
constexpr auto kNamedSets = std::to_array<NamedSet>({
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"alpha", "\\p{Alphabetic}"},
    {"ascii", "\\x{00}-\\x{7F}"},
    {"blank", "\\p{Zs}\\t"},
    {"cntrl", "\\p{Cc}"},
    {"digit", "\\p{Nd}"},
    {"graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"},
    {"lower", "\\p{Lowercase}"},
    {"print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}"},
    {"punct", "\\p{P}\\p{S}"},
    {"space", kSpace},
    {"upper", "\\p{Uppercase}"},
    {"word", kWord},
    {"xdigit", kHexDigit},
    {"letter", "\\p{L}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"titlecaseletter", "\\p{Lt}"},
    {"modifierletter", "\\p{Lm}"},
    {"otherletter", "\\p{Lo}"},
    {"mark", "\\p{M}"},
    {"nonspacingmark", "\\p{Mn}"},
    {"spacingmark", "\\p{Mc}"},
    {"enclosingmark", "\\p{Me}"},
    {"number", "\\p{N}"},
    {"decimalnumber", "\\p{Nd}"},
    {"letternumber", "\\p{Nl}"},
    {"othernumber", "\\p{No}"},
    {"punctuation", "\\p{P}"},
    {"symbol", "\\p{S}"},
    {"mathsymbol", "\\p{Sm}"},
    {"currencysymbol", "\\p{Sc}"},
    {"separator", "\\p{Z}"},
    {"spaceseparator", "\\p{Zs}"},
    {"other", "\\p{C}"},
    {"control", "\\p{Cc}"},
    {"format", "\\p{Cf}"},
    {"unassigned", "\\p{Cn}"},
});

std::optional<std::string_view> set_named(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  for (const NamedSet& named : kNamedSets) {
    if (named.name == plain) return named.set;
  }
  return std::nullopt;
}

// A set of code points: what fits between [ and ], or else complete expressions of one code point.
struct ClassItems {
  std::string inner;
  std::string alternatives;  // joined by |

  void add(std::string_view set, bool negated) {
    if (negated) {
      add_expression(str("[^", set, "]"));
    } else {
      inner += set;
    }
  }
  void add_expression(std::string_view expression) {
    if (!alternatives.empty()) alternatives += '|';
    alternatives += expression;
  }
  std::string expression(bool negated) const {
    if (alternatives.empty()) return str(negated ? "[^" : "[", inner, "]");
    std::string any = alternatives;
    if (!inner.empty()) any = str("[", inner, "]|", alternatives);
    return negated ? str("(?:(?!", any, ")(?s:.))") : str("(?:", any, ")");
  }
};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  std::string run() {
    while (at_ < in_.size()) element();
    return std::move(out_);
  }

 private:
  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(ErrorKind::kCheckpoint,
                str("the regular expression \"", in_, "\" is not understood: ", what));
  }

  std::string_view take_code_point() {
    const size_t begin = at_;
    next_code_point(in_, at_);
    return in_.substr(begin, at_ - begin);
  }

  void element() {
    switch (in_[at_]) {
      case '\\': atom(escape()); return;
      case '[':
        ++at_;
        atom(char_class(0));
        return;
      case '(': open_group(); return;
      case ')':
        ++at_;
        out_ += ')';
        if (!groups_.empty()) {
          atom_ = groups_.back();
          groups_.pop_back();
        }
        return;
      case '{': interval(); return;
      case '*':
      case '+':
      case '?': repeat(); return;
      default: atom(take_code_point()); return;
    }
  }

  void atom(std::string_view text) {
    atom_ = out_.size();
    out_ += text;
  }

  void open_group() {
    groups_.push_back(out_.size());
    ++at_;
    out_ += '(';
    if (!next_is("?")) return;
    // Options: Oniguruma's m lets the dot match newlines, which PCRE2 calls s.
    size_t i = at_ + 1;
    while (i < in_.size() && std::string_view("imxWDSPy-").find(in_[i]) != std::string_view::npos)
      ++i;
    if (i == at_ + 1 || i >= in_.size() || (in_[i] != ')' && in_[i] != ':')) {
      group_head();
      return;
    }
    for (; at_ <= i; ++at_) out_ += in_[at_] == 'm' ? 's' : in_[at_];
    if (in_[i] == ')') groups_.pop_back();
  }

  // (?: (?= (?! (?> (?<= (?<! (?<name> (?#
  void group_head() {
    for (const std::string_view head : {"?:", "?=", "?!", "?>", "?<=", "?<!", "?<"}) {
      if (!next_is(head)) continue;
      out_ += head;
      at_ += head.size();
      return;
    }
  }

  void repeat() {
    out_ += in_[at_++];
    // Lazy or possessive, which both write alike.
    if (at_ < in_.size() && (in_[at_] == '?' || in_[at_] == '+')) out_ += in_[at_++];
  }

  // {n,m}: {,m} is {0,m}; {n,m}+ and {n}? are not possessive and lazy but repeat once more.
  void interval() {
    const size_t close = in_.find('}', at_);
    const std::string_view inner =
        close == std::string_view::npos ? "" : in_.substr(at_ + 1, close - at_ - 1);
    const bool is_interval = !inner.empty() && inner != "," &&
                             inner.find_first_not_of("0123456789,") == std::string_view::npos;
    if (!is_interval) {
      ++at_;
      atom("\\{");
      return;
    }
    at_ = close + 1;
    out_ += str("{", inner.starts_with(',') ? "0" : "", inner, "}");
    const bool fixed = inner.find(',') == std::string_view::npos;
    if (next_is("+") || next_is("*") || (fixed && next_is("?"))) {
      out_.insert(atom_, "(?:");
      out_ += ')';
    } else if (next_is("?")) {
      out_ += in_[at_++];
    }
  }

  // The escape at at_, outside a class.
  std::string escape() {
    ++at_;
    if (at_ >= in_.size()) refuse("it ends with a backslash");
    const char c = in_[at_];
    if (std::optional<std::string> word = word_border(c)) {
      ++at_;
      return *word;
    }
    if (c == 'O') {
      ++at_;
      return "(?s:.)";
    }
    ClassItems items;
    if (set_escape(items, kWordAlone)) return items.expression(false);
    return char_escape();
  }

  static std::optional<std::string> word_border(char c) {
    if (c != 'b' && c != 'B') return std::nullopt;
    const std::string before = str("(?<=[", kWordAlone, "])"),
                      after = str("(?=[", kWordAlone, "])");
    const std::string not_before = str("(?<![", kWordAlone, "])");
    const std::string not_after = str("(?![", kWordAlone, "])");
    if (c == 'b') return str("(?:", before, not_after, "|", not_before, after, ")");
    return str("(?:", before, after, "|", not_before, not_after, ")");
  }

  // An escape that stands for a set, with at_ behind the backslash.
  bool set_escape(ClassItems& items, std::string_view word) {
    const char c = in_[at_];
    switch (c) {
      case 's':
      case 'S': items.add(kSpace, c == 'S'); break;
      case 'w':
      case 'W': items.add(word, c == 'W'); break;
      case 'h':
      case 'H': items.add(kHexDigit, c == 'H'); break;
      case 'd':
      case 'D': items.add("\\p{Nd}", c == 'D'); break;
      case 'p':
      case 'P': return property(items, word);
      default: return false;
    }
    ++at_;
    return true;
  }

  // \p{Name}, \p{^Name}, \P{Name}.
  bool property(ClassItems& items, std::string_view word) {
    bool negated = in_[at_] == 'P';
    const size_t close = in_.find('}', at_);
    if (at_ + 1 >= in_.size() || in_[at_ + 1] != '{' || close == std::string_view::npos)
      return false;
    std::string_view name = in_.substr(at_ + 2, close - at_ - 2);
    if (name.starts_with('^')) {
      name.remove_prefix(1);
      negated = !negated;
    }
    at_ = close + 1;
    if (const auto set = set_named(name)) {
      items.add(*set == kWord ? word : *set, negated);
    } else {
      items.inner += str(negated ? "\\P{" : "\\p{", name, "}");
    }
    return true;
  }

  // An escape that stands for one character (or an anchor, or a group's number).
  std::string char_escape() {
    const char c = in_[at_];
    if (c == 'v') {
      ++at_;
      return "\\x{0B}";
    }
    if (c == 'u' && at_ + 5 <= in_.size()) {
      const std::string_view digits = in_.substr(at_ + 1, 4);
      at_ += 5;
      return str("\\x{", digits, "}");
    }
    const size_t close = next_is("x{") ? in_.find('}', at_) : std::string_view::npos;
    if (close != std::string_view::npos) {
      const std::string_view number = in_.substr(at_, close + 1 - at_);
      at_ = close + 1;
      return str("\\", number);
    }
    return str("\\", take_code_point());
  }

  // The class that begins at at_ (behind its bracket), up to and with its closing bracket.
  std::string char_class(int depth) {  // NOLINT(misc-no-recursion)
    constexpr int kMostNested = 32;
    if (depth > kMostNested) refuse("its character classes are nested too deep");
    const bool negated = next_is("^");
    if (negated) ++at_;
    std::string intersection;  // lookaheads of the parts before the last &&
    ClassItems items;
    bool first = true;
    while (!next_is("]") || first) {
      if (at_ >= in_.size()) refuse("a character class has no end");
      if (next_is("&&")) {
        at_ += 2;
        intersection += str("(?=", std::exchange(items, {}).expression(false), ")");
      } else {
        class_item(items, depth);
      }
      first = false;
    }
    ++at_;
    if (intersection.empty()) return items.expression(negated);
    const std::string both = str(intersection, items.expression(false));
    return negated ? str("(?:(?!", both, ")(?s:.))") : str("(?:", both, ")");
  }

  void class_item(ClassItems& items, int depth) {  // NOLINT(misc-no-recursion)
    if (next_is("[:") && posix_set(items)) return;
    if (next_is("[")) {
      ++at_;
      items.add_expression(char_class(depth + 1));
    } else if (next_is("\\")) {
      ++at_;
      if (at_ >= in_.size()) refuse("it ends with a backslash");
      if (!set_escape(items, kWord)) items.inner += char_escape();
    } else if (next_is("]") || next_is("^")) {
      items.inner += str("\\", take_code_point());
    } else {
      items.inner += take_code_point();
    }
  }

  // [:alpha:] or [:^alpha:].
  bool posix_set(ClassItems& items) {
    const size_t close = in_.find(":]", at_ + 2);
    if (close == std::string_view::npos) return false;
    std::string_view name = in_.substr(at_ + 2, close - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const auto set = set_named(name);
    if (!set) return false;
    items.add(*set, negated);
    at_ = close + 2;
    return true;
  }

  const std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_ = 0;             // where in out_ the last thing that can be repeated begins
  std::vector<size_t> groups_;  // where in out_ the open groups begin
};

}  // namespace

std::string pcre2_from_oniguruma(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace pagoda
