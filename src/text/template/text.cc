#include "text/template/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <span>

#include "base/str.h"
#include "base/utf8.h"
#include "text/template/special_casing.h"
#include "text/template/text_search.h"

namespace pagoda {
namespace {

utf8proc_category_t category_of(uint32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_alpha(uint32_t c) {
  const auto category = category_of(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(uint32_t c) {
  return category_of(c) == UTF8PROC_CATEGORY_ND;
}

struct CodePointRange {
  uint32_t first, last;
};

bool is_in(std::span<const CodePointRange> ranges, uint32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const CodePointRange& r) { return c >= r.first && c <= r.last; });
}

// Numeric_Type=Digit of Unicode 14: superscripts, circled digits and the like.
constexpr CodePointRange kDigitsBeyondDecimal[] = {
    {0xB2, 0xB3},       {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},
    {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089},   {0x2460, 0x2468},
    {0x2474, 0x247C},   {0x2488, 0x2490},   {0x24EA, 0x24EA},   {0x24F5, 0x24FD},
    {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},   {0x278A, 0x2792},
    {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A}};

// Ideographs with a numeric value (Unicode 14, Unihan): they are letters by category.
constexpr CodePointRange kNumericIdeographs[] = {
    {0x3405, 0x3405},   {0x3483, 0x3483},   {0x382A, 0x382A},   {0x3B4D, 0x3B4D},
    {0x4E00, 0x4E00},   {0x4E03, 0x4E03},   {0x4E07, 0x4E07},   {0x4E09, 0x4E09},
    {0x4E5D, 0x4E5D},   {0x4E8C, 0x4E8C},   {0x4E94, 0x4E94},   {0x4E96, 0x4E96},
    {0x4EBF, 0x4EC0},   {0x4EDF, 0x4EDF},   {0x4EE8, 0x4EE8},   {0x4F0D, 0x4F0D},
    {0x4F70, 0x4F70},   {0x5104, 0x5104},   {0x5146, 0x5146},   {0x5169, 0x5169},
    {0x516B, 0x516B},   {0x516D, 0x516D},   {0x5341, 0x5341},   {0x5343, 0x5345},
    {0x534C, 0x534C},   {0x53C1, 0x53C4},   {0x56DB, 0x56DB},   {0x58F1, 0x58F1},
    {0x58F9, 0x58F9},   {0x5E7A, 0x5E7A},   {0x5EFE, 0x5EFF},   {0x5F0C, 0x5F0E},
    {0x5F10, 0x5F10},   {0x62FE, 0x62FE},   {0x634C, 0x634C},   {0x67D2, 0x67D2},
    {0x6F06, 0x6F06},   {0x7396, 0x7396},   {0x767E, 0x767E},   {0x8086, 0x8086},
    {0x842C, 0x842C},   {0x8CAE, 0x8CAE},   {0x8CB3, 0x8CB3},   {0x8D30, 0x8D30},
    {0x9621, 0x9621},   {0x9646, 0x9646},   {0x964C, 0x964C},   {0x9678, 0x9678},
    {0x96F6, 0x96F6},   {0xF96B, 0xF96B},   {0xF973, 0xF973},   {0xF978, 0xF978},
    {0xF9B2, 0xF9B2},   {0xF9D1, 0xF9D1},   {0xF9D3, 0xF9D3},   {0xF9FD, 0xF9FD},
    {0x20001, 0x20001}, {0x20064, 0x20064}, {0x200E2, 0x200E2}, {0x20121, 0x20121},
    {0x2092A, 0x2092A}, {0x20983, 0x20983}, {0x2098C, 0x2098C}, {0x2099C, 0x2099C},
    {0x20AEA, 0x20AEA}, {0x20AFD, 0x20AFD}, {0x20B19, 0x20B19}, {0x22390, 0x22390},
    {0x22998, 0x22998}, {0x23B1B, 0x23B1B}, {0x2626D, 0x2626D}, {0x2F890, 0x2F890}};

bool is_digit(uint32_t c) {
  return is_decimal(c) || is_in(kDigitsBeyondDecimal, c);
}

bool is_numeric(uint32_t c) {
  const auto category = category_of(c);
  return (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) ||
         is_in(kNumericIdeographs, c);
}

bool is_printable(uint32_t c) {
  const auto category = category_of(c);
  const bool separator = category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
                         category == UTF8PROC_CATEGORY_ZP;
  const bool other = category == UTF8PROC_CATEGORY_CN || category >= UTF8PROC_CATEGORY_CC;
  return c == ' ' || (!separator && !other);
}

bool is_of(uint32_t c, TextClass text_class) {
  switch (text_class) {
    case TextClass::kAlpha: return is_alpha(c);
    case TextClass::kDecimal: return is_decimal(c);
    case TextClass::kDigit: return is_digit(c);
    case TextClass::kNumeric: return is_numeric(c);
    case TextClass::kAlphanumeric: return is_alpha(c) || is_numeric(c);
    case TextClass::kSpace: return is_space(c);
    case TextClass::kPrintable: return is_printable(c);
    case TextClass::kAscii: return c < 0x80;
  }
  return false;
}

bool is_upper_letter(uint32_t c) {
  return utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) != 0;
}
bool is_lower_letter(uint32_t c) {
  return utf8proc_islower(static_cast<utf8proc_int32_t>(c)) != 0;
}
bool is_title_letter(uint32_t c) {
  return category_of(c) == UTF8PROC_CATEGORY_LT;
}
bool is_cased(uint32_t c) {
  return is_upper_letter(c) || is_lower_letter(c) || is_title_letter(c);
}

// Case_Ignorable, nearly: marks, formats, modifiers, and the punctuation inside words.
bool is_case_ignorable(uint32_t c) {
  switch (category_of(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: break;
  }
  constexpr uint32_t kInsideWords[] = {'\'',   '.',    ':',    0xB7,   0x387,  0x55F,
                                       0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                       0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
  return std::find(std::begin(kInsideWords), std::end(kInsideWords), c) != std::end(kInsideWords);
}

std::vector<uint32_t> code_points_of(std::string_view text) {
  std::vector<uint32_t> result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size();) result.push_back(next_code_point(text, i));
  return result;
}

const SpecialCasing* special_casing_of(uint32_t c) {
  const auto* found =
      std::lower_bound(std::begin(kSpecialCasings), std::end(kSpecialCasings), c,
                       [](const SpecialCasing& row, uint32_t x) { return row.letter < x; });
  return found != std::end(kSpecialCasings) && found->letter == c ? found : nullptr;
}

void append_all(std::string& out, const uint32_t (&code_points)[3]) {
  for (const uint32_t c : code_points) {
    if (c != 0) append_utf8(out, c);
  }
}

void append_upper(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (const SpecialCasing* special = special_casing_of(c)) {
    append_all(out, special->upper);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_title(std::string& out, uint32_t c) {
  if (const SpecialCasing* special = special_casing_of(c)) {
    append_all(out, special->title);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
  }
}

constexpr uint32_t kCapitalSigma = 0x3A3, kSigma = 0x3C3, kFinalSigma = 0x3C2;

// A sigma at the end of a word has a form of its own (Final_Sigma of the Unicode standard, 3.13).
bool is_final(std::span<const uint32_t> text, size_t at) {
  size_t before = at;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  if (before == 0 || !is_cased(text[before - 1])) return false;
  size_t after = at + 1;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return after == text.size() || !is_cased(text[after]);
}

void append_lower(std::string& out, std::span<const uint32_t> text, size_t at) {
  const uint32_t c = text[at];
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == 0x130) {  // I with a dot: the only letter whose lower case is two code points
    out += "i\xCC\x87";
  } else if (c == kCapitalSigma) {
    append_utf8(out, is_final(text, at) ? kFinalSigma : kSigma);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

bool is_line_end(uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

size_t last_code_point(std::string_view text) {
  size_t i = text.size() - 1;
  while (i > 0 && (static_cast<uint8_t>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

std::string_view stripped_where(std::string_view text, Side side,
                                const std::function<bool(uint32_t)>& drop) {
  while (side != Side::kRight && !text.empty()) {
    size_t next = 0;
    if (!drop(next_code_point(text, next))) break;
    text.remove_prefix(next);
  }
  while (side != Side::kLeft && !text.empty()) {
    const size_t last = last_code_point(text);
    size_t end = last;
    if (!drop(next_code_point(text, end))) break;
    text = text.substr(0, last);
  }
  return text;
}

void append_escaped(std::string& out, uint32_t c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const int num_digits = c > 0xFFFF ? 8 : c > 0xFF ? 4 : 2;
  out += c > 0xFFFF ? "\\U" : c > 0xFF ? "\\u" : "\\x";
  for (int shift = 4 * (num_digits - 1); shift >= 0; shift -= 4) out += kDigits[(c >> shift) & 0xF];
}

// A set of code points: a bit for each up to the largest.
class LetterSet {
 public:
  explicit LetterSet(std::string_view letters) {
    const std::vector<uint32_t> all = code_points_of(letters);
    if (all.empty()) return;
    has_.resize(*std::max_element(all.begin(), all.end()) + 1);
    for (const uint32_t c : all) has_[c] = true;
  }
  bool has(uint32_t c) const { return c < has_.size() && has_[c]; }

 private:
  std::vector<bool> has_;
};

// Digits without the '_' that may stand between two of them.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      result += text[i];
      continue;
    }
    const auto alphanumeric = [&](size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
    };
    if (i == 0 || !alphanumeric(i - 1) || !alphanumeric(i + 1)) return std::nullopt;
  }
  return result;
}

// Decimal digits of other scripts, as int() and float() read them.
std::string with_ascii_digits(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    if (c < 0x80 || !is_decimal(c)) {
      append_utf8(result, c);
      continue;
    }
    uint32_t zero = c;  // the ten digits of a script follow one another
    while (c - zero < 9 && is_decimal(zero - 1)) --zero;
    result += static_cast<char>('0' + (c - zero) % 10);
  }
  return result;
}

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

size_t code_point_offset(std::string_view text, size_t n) {
  size_t i = 0;
  for (; n > 0 && i < text.size(); --n) next_code_point(text, i);
  return i;
}

std::optional<std::string_view> code_point_at(std::string_view text, int64_t index) {
  if (index < 0) {
    for (; index < -1 && !text.empty(); ++index) text = text.substr(0, last_code_point(text));
    if (text.empty()) return std::nullopt;
    return text.substr(last_code_point(text));
  }
  const size_t begin = code_point_offset(text, static_cast<size_t>(index));
  if (begin >= text.size()) return std::nullopt;
  size_t end = begin;
  next_code_point(text, end);
  return text.substr(begin, end - begin);
}

std::string_view stripped(std::string_view text, Side side) {
  return stripped_where(text, side, &is_space);
}

std::string_view stripped(std::string_view text, std::string_view letters, Side side) {
  const LetterSet set(letters);
  return stripped_where(text, side, [&set](uint32_t c) { return set.has(c); });
}

std::string upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) append_upper(out, next_code_point(text, i));
  return out;
}

std::string lower(std::string_view text) {
  const std::vector<uint32_t> letters = code_points_of(text);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < letters.size(); ++i) append_lower(out, letters, i);
  return out;
}

std::string title(std::string_view text) {
  const std::vector<uint32_t> letters = code_points_of(text);
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < letters.size(); ++i) {
    if (inside) {
      append_lower(out, letters, i);
    } else {
      append_title(out, letters[i]);
    }
    inside = is_cased(letters[i]);
  }
  return out;
}

std::string capitalized(std::string_view text) {
  const std::vector<uint32_t> letters = code_points_of(text);
  std::string out;
  for (size_t i = 0; i < letters.size(); ++i) {
    if (i == 0) {
      append_title(out, letters[i]);
    } else {
      append_lower(out, letters, i);
    }
  }
  return out;
}

std::string swapped_case(std::string_view text) {
  const std::vector<uint32_t> letters = code_points_of(text);
  std::string out;
  for (size_t i = 0; i < letters.size(); ++i) {
    if (is_upper_letter(letters[i])) {
      append_lower(out, letters, i);
    } else if (is_lower_letter(letters[i])) {
      append_upper(out, letters[i]);
    } else {
      append_utf8(out, letters[i]);
    }
  }
  return out;
}

std::string case_folded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<utf8proc_int32_t>(next_code_point(text, i));
    utf8proc_int32_t folded[8];
    int last_boundclass = 0;
    const auto count = utf8proc_decompose_char(c, folded, 8, UTF8PROC_CASEFOLD, &last_boundclass);
    for (utf8proc_ssize_t k = 0; k < count && k < 8; ++k) {
      append_utf8(out, static_cast<uint32_t>(folded[k]));
    }
  }
  return out;
}

std::string title_words(std::string_view text) {
  constexpr std::string_view kOpening = "-({[<";
  const std::vector<uint32_t> letters = code_points_of(text);
  std::string out;
  size_t word = 0;  // where the current word began: a sigma is final within its word
  size_t end = 0;   // of the word, found at its first sigma
  for (size_t i = 0; i < letters.size(); ++i) {
    const uint32_t c = letters[i];
    const bool between =
        is_space(c) || (c < 0x80 && kOpening.find(static_cast<char>(c)) != std::string_view::npos);
    if (between) {
      append_utf8(out, c);
      word = i + 1;
    } else if (i == word) {
      append_upper(out, c);
    } else {
      end = std::max(end, i);
      while (end < letters.size() && c == kCapitalSigma && !is_space(letters[end])) ++end;
      append_lower(out, std::span(letters).subspan(word + 1, std::max(end, i + 1) - word - 1),
                   i - word - 1);
    }
  }
  return out;
}

bool is_all(std::string_view text, TextClass text_class) {
  if (text.empty()) return text_class == TextClass::kPrintable || text_class == TextClass::kAscii;
  for (size_t i = 0; i < text.size();) {
    if (!is_of(next_code_point(text, i), text_class)) return false;
  }
  return true;
}

bool is_upper(std::string_view text) {
  bool cased = false;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    if (is_lower_letter(c) || is_title_letter(c)) return false;
    cased = cased || is_upper_letter(c);
  }
  return cased;
}

bool is_lower(std::string_view text) {
  bool cased = false;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    if (is_upper_letter(c) || is_title_letter(c)) return false;
    cased = cased || is_lower_letter(c);
  }
  return cased;
}

bool is_title(std::string_view text) {
  bool cased = false, inside = false;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    const bool begins = is_upper_letter(c) || is_title_letter(c), goes_on = is_lower_letter(c);
    if ((begins && inside) || (goes_on && !inside)) return false;
    inside = begins || goes_on;
    cased = cased || inside;
  }
  return cased;
}

bool is_identifier(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const bool first = i == 0;
    const uint32_t c = next_code_point(text, i);
    const auto category = category_of(c);
    const bool start = c == '_' || is_alpha(c) || category == UTF8PROC_CATEGORY_NL;
    const bool inner = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                       category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_PC;
    if (!start && (first || !inner)) return false;
  }
  return !text.empty();
}

bool is_space(uint32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_word(uint32_t c) {
  return c == '_' || is_alpha(c) || is_numeric(c);
}

void split_spaces(TextParts& parts, std::string_view text, int64_t max_splits) {
  text = stripped(text, Side::kLeft);
  while (!text.empty()) {
    if (max_splits >= 0 && static_cast<int64_t>(parts.size()) >= max_splits) {
      parts.push_back(text);
      break;
    }
    size_t end = 0, next = 0;
    while (next < text.size() && !is_space(next_code_point(text, next))) end = next;
    parts.push_back(text.substr(0, end));
    text = stripped(text.substr(end), Side::kLeft);
  }
}

void split_spaces_from_right(TextParts& parts, std::string_view text, int64_t max_splits) {
  text = stripped(text, Side::kRight);
  while (!text.empty()) {
    if (max_splits >= 0 && static_cast<int64_t>(parts.size()) >= max_splits) {
      parts.push_back(text);
      break;
    }
    size_t begin = text.size();
    while (begin > 0) {
      const size_t last = last_code_point(text.substr(0, begin));
      size_t end = last;
      if (is_space(next_code_point(text, end))) break;
      begin = last;
    }
    parts.push_back(text.substr(begin));
    text = stripped(text.substr(0, begin), Side::kRight);
  }
  std::reverse(parts.begin(), parts.end());
}

void split(TextParts& parts, std::string_view text, std::string_view by, int64_t max_splits) {
  size_t at = find_text(text, by);
  while (at != std::string_view::npos &&
         (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits)) {
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + by.size());
    at = find_text(text, by);
  }
  parts.push_back(text);
}

void split_from_right(TextParts& parts, std::string_view text, std::string_view by,
                      int64_t max_splits) {
  const BackwardSearch search(text, by);
  size_t at = search.find_before(text.size());
  while (at != std::string_view::npos &&
         (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits)) {
    parts.push_back(text.substr(at + by.size()));
    text = text.substr(0, at);
    at = search.find_before(text.size());
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
}

void split_lines(TextParts& parts, std::string_view text, bool keep_ends) {
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = i;
    const uint32_t c = next_code_point(text, i);
    if (!is_line_end(c)) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    parts.push_back(text.substr(begin, (keep_ends ? i : end) - begin));
    begin = i;
  }
  if (begin < text.size()) parts.push_back(text.substr(begin));
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t count) {
  std::string out;
  if (from.empty()) {
    for (size_t i = 0; count != 0; --count) {
      out += to;
      if (i >= text.size()) return out;
      const size_t begin = i;
      next_code_point(text, i);
      out += text.substr(begin, i - begin);
      text.remove_prefix(i);
      i = 0;
    }
    return out.append(text);
  }
  for (size_t at = find_text(text, from); at != std::string_view::npos && count != 0; --count) {
    out.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
    at = find_text(text, from);
  }
  return out.append(text);
}

void append_python_quoted(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  out += quote;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const uint32_t c = next_code_point(text, i);
    if (c == '\\' || c == static_cast<uint32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      out += text.substr(begin, i - begin);
    } else {
      append_escaped(out, c);
    }
  }
  out += quote;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string url_quoted(std::string_view text, bool for_query) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ||
                       c == '-' || c == '~' || (c == '/' && !for_query);
    if (plain) {
      out += c;
    } else if (c == ' ' && for_query) {
      out += '+';
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0xF];
    }
  }
  return out;
}

std::optional<int64_t> parse_integer(std::string_view text, int base) {
  const std::string ascii = with_ascii_digits(stripped(text));
  std::string_view rest = ascii;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  const auto prefix_is = [&rest](char letter) {
    return rest.size() > 1 && rest[0] == '0' && (rest[1] | 0x20) == letter;
  };
  const int prefixed = prefix_is('x') ? 16 : prefix_is('o') ? 8 : prefix_is('b') ? 2 : 0;
  if (prefixed != 0 && (base == 0 || base == prefixed)) {
    rest.remove_prefix(2);
    if (rest.starts_with('_')) rest.remove_prefix(1);
    base = prefixed;
  } else if (base == 0) {
    base = 10;
    if (rest.size() > 1 && rest[0] == '0' &&
        rest.find_first_not_of("0_") != std::string_view::npos) {
      return std::nullopt;  // 010 is no decimal integer in Python
    }
  }
  const std::optional<std::string> digits = without_underscores(rest);
  if (!digits || digits->empty() || (*digits)[0] == '-') return std::nullopt;
  const std::string number = str(negative ? "-" : "", *digits);
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), value, base);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  std::string ascii = with_ascii_digits(stripped(text));
  if (ascii.starts_with('+') && !ascii.starts_with("+-")) ascii.erase(0, 1);
  const std::optional<std::string> digits = without_underscores(ascii);
  if (!digits || digits->empty()) return std::nullopt;
  std::string number = lower(*digits);
  // from_chars knows nan(...) too, which Python does not.
  if (number.find('(') != std::string::npos || number.find('x') != std::string::npos)
    return std::nullopt;
  double value = 0;
  const char* end_of_number = number.data() + number.size();
  const auto [end, error] = std::from_chars(number.data(), end_of_number, value);
  if (end != end_of_number || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    const bool tiny = number.find("e-") != std::string::npos;
    value = tiny ? 0.0 : HUGE_VAL;
    return number.starts_with('-') ? -value : value;
  }
  return value;
}

}  // namespace pagoda
