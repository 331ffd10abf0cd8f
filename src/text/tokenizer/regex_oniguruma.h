// Oniguruma itself, set up as the reference does (Rust's onig crate in Hugging Face tokenizers):
// UTF-8, no options, its own syntax.
//
// Thread rule: an OnigurumaRegex is fixed after construction and may be used by any thread; a
// memory belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "text/tokenizer/regex_search.h"

namespace pagoda {

class OnigurumaRegex {
 public:
  // Of searches, to be used again.
  class Memory {
   public:
    Memory();
    Memory(Memory&&) noexcept;
    ~Memory();

   private:
    friend class OnigurumaRegex;
    struct Parts;
    std::unique_ptr<Parts> parts_;
  };

  // Throws kCheckpoint with the pattern and Oniguruma's reason.
  explicit OnigurumaRegex(std::string_view pattern);
  OnigurumaRegex(OnigurumaRegex&&) noexcept;
  ~OnigurumaRegex();

  // As Regex::find().
  std::optional<RegexSpan> find(std::string_view text, size_t from, Memory& memory) const;

 private:
  struct Code;
  std::unique_ptr<const Code> code_;
};

}  // namespace pagoda
