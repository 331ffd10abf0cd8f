// What a search with a regular expression finds, and how much work it may be, for both engines.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pagoda {

struct RegexSpan {
  size_t begin, end;
};

// How often one search may go back before it is given up: as often as the reference lets one match
// (Oniguruma's default), and some for every byte, because every byte may begin a match.
constexpr uint64_t most_steps_back(size_t text_bytes) {
  return 10'000'000 + 32 * static_cast<uint64_t>(text_bytes);
}

// Throws kRequest: the search for `pattern` in a text was given up.
[[noreturn]] void refuse_text(std::string_view pattern, std::string_view reason);

}  // namespace pagoda
