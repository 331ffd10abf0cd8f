// Marks such as </think> that arrive in pieces.
//
// Thread rule: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace pagoda {

// How many bytes at the end of `text` could be the start of `mark`: 0 to mark.size() - 1.
inline size_t longest_mark_start(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == mark.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace pagoda
