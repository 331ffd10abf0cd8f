// Regular expressions of tokenizer files: Oniguruma's dialect, run by PCRE2 with its compiler.
//
// Thread rule: a Regex is fixed after construction and may be used by any thread; a Regex::Scratch
// belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pagoda {

// The same expression for PCRE2 (in UTF, UCP and MULTILINE mode). What Oniguruma writes otherwise
// or understands otherwise is replaced: \h, \s, \w, \b, {n,m}+, nested classes, && in classes ...
std::string pcre2_from_oniguruma(std::string_view pattern);

class Regex {
 public:
  struct Span {
    size_t begin, end;
  };

  // Memory of one search, to be used again.
  class Scratch {
   public:
    Scratch();
    Scratch(Scratch&&) noexcept;
    ~Scratch();

   private:
    friend class Regex;
    struct Parts;
    std::unique_ptr<Parts> parts_;
  };

  // Throws kCheckpoint with the pattern and PCRE2's reason.
  explicit Regex(std::string_view pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // The first match that begins at `from` or later; what lies before is seen by lookbehind.
  // `text` must be valid UTF-8 and `from` lie between code points.
  std::optional<Span> find(std::string_view text, size_t from, Scratch& scratch) const;

  // Calls take(Span, is_match) for every match and for what lies between, in order, without empty
  // stretches between matches. Matches as Oniguruma's iteration does: an empty match right behind
  // the last one is passed over.
  template <class Take>
  void split(std::string_view text, Scratch& scratch, Take&& take) const {
    Iteration at;
    size_t done = 0;
    while (const std::optional<Span> match = next(text, at, scratch)) {
      if (done != match->begin) take(Span{done, match->begin}, false);
      take(*match, true);
      done = match->end;
    }
    if (done != text.size()) take(Span{done, text.size()}, false);
  }

 private:
  struct Iteration {
    size_t from = 0;
    std::optional<size_t> last_end;
  };
  std::optional<Span> next(std::string_view text, Iteration& at, Scratch& scratch) const;

  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace pagoda
