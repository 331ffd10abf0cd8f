// Python's str, on UTF-8: what its methods and repr do, code point by code point.
//
// Thread rule: pure functions. Texts are valid UTF-8; results that are views point into `text`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

bool is_ascii(std::string_view text);
// Byte offset of the n-th code point; the size if there are fewer.
size_t code_point_offset(std::string_view text, size_t n);
// text[index], also from the end; nullopt beyond the ends.
std::optional<std::string_view> code_point_at(std::string_view text, int64_t index);

enum class Side : uint8_t { kBoth, kLeft, kRight };
// Without the white space, or the code points of `letters`, at its ends.
std::string_view stripped(std::string_view text, Side side = Side::kBoth);
std::string_view stripped(std::string_view text, std::string_view letters, Side side);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string title(std::string_view text);
std::string capitalized(std::string_view text);
std::string swapped_case(std::string_view text);
std::string case_folded(std::string_view text);
// The title filter of Jinja2: upper case behind white space, '-', and opening brackets only.
std::string title_words(std::string_view text);

// What isalpha() and its kin ask of every code point.
enum class TextClass : uint8_t {
  kAlpha,
  kDecimal,
  kDigit,
  kNumeric,
  kAlphanumeric,
  kSpace,
  kPrintable,
  kAscii,
};
bool is_all(std::string_view text, TextClass text_class);
bool is_upper(std::string_view text);
bool is_lower(std::string_view text);
bool is_title(std::string_view text);
bool is_identifier(std::string_view text);
bool is_space(uint32_t code_point);
bool is_word(uint32_t code_point);  // \w of Python's re

// Added to `parts`, whose memory may be counted. max_splits below 0: all.
using TextParts = std::pmr::vector<std::string_view>;
void split_spaces(TextParts& parts, std::string_view text, int64_t max_splits);
void split_spaces_from_right(TextParts& parts, std::string_view text, int64_t max_splits);
void split(TextParts& parts, std::string_view text, std::string_view by, int64_t max_splits);
void split_from_right(TextParts& parts, std::string_view text, std::string_view by,
                      int64_t max_splits);
void split_lines(TextParts& parts, std::string_view text, bool keep_ends);
// count below 0: all.
std::string replaced(std::string_view text, std::string_view from, std::string_view to,
                     int64_t count);

// repr(str): quotes and escapes.
void append_python_quoted(std::string& out, std::string_view text);
// & < > ' " as HTML entities.
std::string html_escaped(std::string_view text);
// urllib.parse.quote; slash stays as it is unless for_query, where a space becomes '+'.
std::string url_quoted(std::string_view text, bool for_query);

// int(text, base) and float(text): white space around, '_' between digits. nullopt: ValueError.
std::optional<int64_t> parse_integer(std::string_view text, int base);
std::optional<double> parse_real(std::string_view text);

}  // namespace pagoda
