// UTF-8, code point by code point.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pagoda {

constexpr uint32_t kReplacementCharacter = 0xFFFD;

// The code point at text[i]; moves i behind it. A byte that begins no valid sequence is one
// kReplacementCharacter, as in Python's errors="replace" (a cut sequence counts once).
uint32_t next_code_point(std::string_view text, size_t& i);
void append_utf8(std::string& out, uint32_t code_point);
bool is_valid_utf8(std::string_view text);
// Invalid sequences become U+FFFD.
std::string to_valid_utf8(std::string_view text);
// How many bytes at the end of `text` could begin a code point that is not complete yet: 0 to 3.
size_t incomplete_utf8_tail(std::string_view text);
size_t num_code_points(std::string_view text);

}  // namespace pagoda
