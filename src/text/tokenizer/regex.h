// Regular expressions of tokenizer files, which are written in Oniguruma's dialect: PCRE2 with its
// compiler runs what means the same there (which is what the large families of models cut words
// with), Oniguruma the rest.
//
// Thread rule: a Regex is fixed after construction and may be used by any thread; a Regex::Scratch
// belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "text/tokenizer/regex_search.h"

namespace pagoda {

class Regex {
 public:
  using Span = RegexSpan;

  // Memory of searches, to be used again.
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

  // Throws kCheckpoint with the pattern and Oniguruma's reason.
  explicit Regex(std::string_view pattern);
  // Run by Oniguruma even if PCRE2 could: what tests compare with.
  static Regex by_oniguruma(std::string_view pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  bool is_by_oniguruma() const;

  // The first match that begins at `from` or later; what lies before is seen by lookbehind.
  // `text` must be valid UTF-8 and `from` lie between code points. Throws kRequest where the search
  // takes more than most_steps_back().
  std::optional<Span> find(std::string_view text, size_t from, Scratch& scratch) const;

  // Calls take(Span, is_match) for every match and for what lies between, in order, without empty
  // stretches between matches. Matches as the reference's iteration does: an empty match right
  // behind the last one is passed over.
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
  std::optional<Span> find_without_compiler(std::string_view text, size_t from,
                                            Scratch::Parts& parts) const;

  struct Code;
  explicit Regex(std::unique_ptr<const Code> code);
  std::unique_ptr<const Code> code_;
};

}  // namespace pagoda
