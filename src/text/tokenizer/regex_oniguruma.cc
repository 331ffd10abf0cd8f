// Oniguruma itself, set up as the reference does (Rust's onig crate in Hugging Face tokenizers):
// UTF-8, no options, its own syntax.
#define ONIG_ESCAPE_UCHAR_COLLISION
#define ONIG_ESCAPE_REGEX_T_COLLISION
#include <oniguruma.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string>

#include "base/error.h"
#include "base/str.h"
#include "text/tokenizer/regex_engine.h"

namespace pagoda {
namespace {

struct FreeRegex {
  void operator()(OnigRegexType* regex) const { onig_free(regex); }
};
struct FreeRegion {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};
struct FreeMatchParam {
  void operator()(OnigMatchParam* param) const { onig_free_match_param(param); }
};

// An entry of the match stack has some 40 bytes: about the 1 GB that PCRE2 may use.
constexpr unsigned kMostStackEntries = 1U << 24;

struct OnigurumaMemory final : RegexMemory {
  std::unique_ptr<OnigRegion, FreeRegion> region{onig_region_new()};
  std::unique_ptr<OnigMatchParam, FreeMatchParam> limits{onig_new_match_param()};

  OnigurumaMemory() {
    onig_initialize_match_param(limits.get());
    onig_set_match_stack_limit_size_of_match_param(limits.get(), kMostStackEntries);
  }

  void bound_for(size_t text_bytes) {
    onig_set_retry_limit_in_match_of_match_param(limits.get(), most_steps_back(text_bytes));
    onig_set_retry_limit_in_search_of_match_param(limits.get(), most_steps_back(text_bytes));
  }
};

OnigurumaMemory& memory_of(RegexScratch& scratch) {
  if (scratch.oniguruma == nullptr) scratch.oniguruma = std::make_unique<OnigurumaMemory>();
  return static_cast<OnigurumaMemory&>(*scratch.oniguruma);
}

const OnigUChar* bytes(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

std::string reason_of(int code, OnigErrorInfo* info) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> text{};
  const int size = info != nullptr ? onig_error_code_to_str(text.data(), code, info)
                                   : onig_error_code_to_str(text.data(), code);
  return {reinterpret_cast<const char*>(text.data()), static_cast<size_t>(size)};
}

// Before the first expression, once: after that, expressions may be compiled on any thread.
void initialize() {
  static const int done = [] {
    OnigEncoding utf8 = ONIG_ENCODING_UTF8;
    return onig_initialize(&utf8, 1);
  }();
  static_cast<void>(done);
}

class OnigurumaEngine final : public RegexEngine {
 public:
  explicit OnigurumaEngine(std::string_view pattern) : pattern_(pattern) {
    initialize();
    OnigRegex regex = nullptr;
    OnigErrorInfo info{};
    const int rc = onig_new(&regex, bytes(pattern), bytes(pattern) + pattern.size(),
                            ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_ONIGURUMA, &info);
    regex_.reset(regex);
    if (rc == ONIG_NORMAL) return;
    throw Error(ErrorKind::kCheckpoint, str("the regular expression \"", pattern,
                                            "\" is not understood: ", reason_of(rc, &info),
                                            "; mend it, or get the file again"));
  }

  std::optional<Span> find(std::string_view text, size_t from,
                           RegexScratch& scratch) const override {
    if (text.size() > INT_MAX) refuse_text(pattern_, "it has more than 2 GB");
    OnigurumaMemory& memory = memory_of(scratch);
    memory.bound_for(text.size());
    const OnigUChar *begin = bytes(text), *end = begin + text.size();
    const int rc =
        onig_search_with_param(regex_.get(), begin, end, begin + from, end, memory.region.get(),
                               ONIG_OPTION_NONE, memory.limits.get());
    if (rc == ONIG_MISMATCH) return std::nullopt;
    if (rc < 0) refuse_text(pattern_, reason_of(rc, nullptr));
    // \K can put the beginning before the search or behind the end of the match.
    const auto match_end = static_cast<size_t>(memory.region->end[0]);
    return Span{std::clamp(static_cast<size_t>(memory.region->beg[0]), from, match_end), match_end};
  }

 private:
  const std::string pattern_;
  std::unique_ptr<OnigRegexType, FreeRegex> regex_;
};

}  // namespace

std::unique_ptr<const RegexEngine> make_oniguruma_engine(std::string_view pattern) {
  return std::make_unique<OnigurumaEngine>(pattern);
}

}  // namespace pagoda
