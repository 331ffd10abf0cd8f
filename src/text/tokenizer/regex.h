// Regular expressions of tokenizer files, which are written in Oniguruma's dialect: PCRE2 runs what
// means the same there (which is what the large families of models cut words with), Oniguruma the
// rest.
//
// Thread rule: a Regex is fixed after construction and may be used by any thread; a Regex::Scratch
// belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "text/tokenizer/regex_engine.h"

namespace pagoda {

class Regex {
 public:
  using Span = RegexEngine::Span;
  using Scratch = RegexScratch;

  // Throws kCheckpoint with the pattern and Oniguruma's reason.
  explicit Regex(std::string_view pattern);
  // Of one engine, whichever would be taken: for comparing them.
  explicit Regex(std::unique_ptr<const RegexEngine> engine) : engine_(std::move(engine)) {}

  std::optional<Span> find(std::string_view text, size_t from, Scratch& scratch) const {
    return engine_->find(text, from, scratch);
  }

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

  std::unique_ptr<const RegexEngine> engine_;
};

}  // namespace pagoda
