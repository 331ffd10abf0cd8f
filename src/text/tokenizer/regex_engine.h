// What runs a regular expression of a tokenizer file: PCRE2's compiled code, or Oniguruma, whose
// dialect the files are written in and which the reference (Hugging Face tokenizers) uses.
//
// Thread rule: an engine is fixed after construction and may be used by any thread; a scratch
// belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace pagoda {

// What an engine keeps from one search to the next.
class RegexMemory {
 public:
  virtual ~RegexMemory() = default;
};

// Memory of searches, to be used again; each engine makes its own when it first searches.
struct RegexScratch {
  std::unique_ptr<RegexMemory> pcre2, oniguruma;
};

class RegexEngine {
 public:
  struct Span {
    size_t begin, end;
  };

  virtual ~RegexEngine() = default;
  // The first match that begins at `from` or later; what lies before is seen by lookbehind.
  // `text` must be valid UTF-8 and `from` lie between code points. Throws kRequest where the search
  // takes more than most_steps_back().
  virtual std::optional<Span> find(std::string_view text, size_t from,
                                   RegexScratch& scratch) const = 0;
};

// `translated` stands for `pattern`, which errors show. nullptr: PCRE2 does not take it.
std::unique_ptr<const RegexEngine> make_pcre2_engine(std::string_view translated,
                                                     std::string_view pattern);
// Throws kCheckpoint with the pattern and Oniguruma's reason.
std::unique_ptr<const RegexEngine> make_oniguruma_engine(std::string_view pattern);

// How often one search may go back before it is given up: as often as the reference lets one match
// (Oniguruma's default), and some for every byte, because every byte may begin a match.
constexpr uint64_t most_steps_back(size_t text_bytes) {
  return 10'000'000 + 32 * static_cast<uint64_t>(text_bytes);
}

// The search for `pattern` in a text was given up.
[[noreturn]] void refuse_text(std::string_view pattern, std::string_view reason);

}  // namespace pagoda
