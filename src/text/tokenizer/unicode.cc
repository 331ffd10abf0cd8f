#include "text/tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace pagoda {
namespace {

constexpr uint16_t kNoSequence = UINT16_MAX;

// Whether a text of such code points is in NFC and NFKC: no mark, nothing that decomposes, nothing
// that composes with what stands before it. (May say no where yes were right.)
bool is_inert(uint32_t code_point) {
  if (code_point >= 0x1160 && code_point <= 0x11FF) return false;  // jamo that compose
  const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point));
  // From 0x8000 on the index is that of a second in a pair.
  const bool composes = property->comb_index != kNoSequence && property->comb_index >= 0x8000;
  return property->combining_class == 0 && property->decomp_seqindex == kNoSequence && !composes;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

bool is_nfc_for_sure(std::string_view text) {
  // All code points below are in NFC whatever stands beside them; this is how U+0300 begins.
  constexpr uint8_t kFirstMarkLead = 0xCC;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<uint8_t>(text[i]) < kFirstMarkLead) {
      ++i;
    } else if (!is_inert(next_code_point(text, i))) {
      return false;
    }
  }
  return true;
}

int combining_class(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

// Canonical ordering (Unicode, D109): marks in a row are sorted by class. utf8proc's own ordering
// is quadratic in the length of the row.
void sort_marks(std::vector<utf8proc_int32_t>& points) {
  for (size_t i = 0; i < points.size(); ++i) {
    const size_t begin = i;
    while (i < points.size() && combining_class(points[i]) != 0) ++i;
    const auto first = points.begin() + static_cast<ptrdiff_t>(begin);
    std::stable_sort(first, points.begin() + static_cast<ptrdiff_t>(i),
                     [](auto a, auto b) { return combining_class(a) < combining_class(b); });
  }
}

void append_decomposed(std::vector<utf8proc_int32_t>& points, uint32_t code_point,
                       bool compatible) {
  constexpr size_t kLongest = 32;  // the longest decomposition has 18
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                      (compatible ? UTF8PROC_COMPAT : 0));
  const size_t old_size = points.size();
  points.resize(old_size + kLongest);
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point),
                                         points.data() + old_size, kLongest, options, &boundary);
  points.resize(old_size + static_cast<size_t>(std::max<utf8proc_ssize_t>(n, 0)));
}

// utf8proc 2.8 takes U+11A7, one before the first final consonant of Hangul, for "no consonant" and
// swallows it; as it composes with nothing, a text can be cut before it.
void compose(std::vector<utf8proc_int32_t>& points) {
  constexpr utf8proc_int32_t kNoFinalConsonant = 0x11A7;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  auto out = points.begin();
  for (auto begin = points.begin(); begin != points.end();) {
    const auto end = std::find(begin + 1, points.end(), kNoFinalConsonant);
    const auto n = utf8proc_normalize_utf32(&*begin, end - begin, options);
    out = std::copy(begin, begin + n, out);
    begin = end;
  }
  points.erase(out, points.end());
}

utf8proc_category_t category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

}  // namespace

void normalize(std::string& text, NormalForm form) {
  if (form == NormalForm::kNfc ? is_nfc_for_sure(text) : is_ascii(text)) return;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    append_decomposed(points, next_code_point(text, i), compatible);
  }
  sort_marks(points);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(points);
  text.clear();
  for (const utf8proc_int32_t point : points) append_utf8(text, static_cast<uint32_t>(point));
}

bool is_white_space(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_number(uint32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(uint32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

bool is_mark(uint32_t c) {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME;
}

void append_lower_case(std::string& out, uint32_t c) {
  constexpr uint32_t kDottedI = 0x130;  // the only one whose lower case has two code points
  if (c == kDottedI) {
    out += "i\u0307";
    return;
  }
  append_utf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

}  // namespace pagoda
