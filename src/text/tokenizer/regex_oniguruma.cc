#include "text/tokenizer/regex_oniguruma.h"

#define ONIG_ESCAPE_UCHAR_COLLISION
#define ONIG_ESCAPE_REGEX_T_COLLISION
#include <oniguruma.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/error.h"
#include "base/str.h"

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

// About 1 GB: an entry of the match stack has some 40 bytes.
constexpr unsigned kMostStackEntries = 1U << 24;

const OnigUChar* bytes(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

std::string reason_of(int code, OnigErrorInfo* info) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> text{};
  const int size = onig_error_code_to_str(text.data(), code, info);
  return {reinterpret_cast<const char*>(text.data()), static_cast<size_t>(size)};
}

// Before the first expression.
void initialize_once() {
  static const int done = [] {
    OnigEncoding utf8 = ONIG_ENCODING_UTF8;
    return onig_initialize(&utf8, 1);
  }();
  static_cast<void>(done);
}

}  // namespace

struct OnigurumaRegex::Code {
  std::string pattern;
  std::unique_ptr<OnigRegexType, FreeRegex> regex;
};

struct OnigurumaRegex::Memory::Parts {
  std::unique_ptr<OnigRegion, FreeRegion> region{onig_region_new()};
  std::unique_ptr<OnigMatchParam, FreeMatchParam> limits{onig_new_match_param()};
};

OnigurumaRegex::Memory::Memory() : parts_(std::make_unique<Parts>()) {
  onig_initialize_match_param(parts_->limits.get());
  onig_set_match_stack_limit_size_of_match_param(parts_->limits.get(), kMostStackEntries);
}
OnigurumaRegex::Memory::Memory(Memory&&) noexcept = default;
OnigurumaRegex::Memory::~Memory() = default;

OnigurumaRegex::OnigurumaRegex(std::string_view pattern) {
  initialize_once();
  OnigRegex regex = nullptr;
  OnigErrorInfo info{};
  const int rc = onig_new(&regex, bytes(pattern), bytes(pattern) + pattern.size(), ONIG_OPTION_NONE,
                          ONIG_ENCODING_UTF8, ONIG_SYNTAX_ONIGURUMA, &info);
  if (rc != ONIG_NORMAL) {
    throw Error(ErrorKind::kCheckpoint, str("the regular expression \"", pattern,
                                            "\" is not understood: ", reason_of(rc, &info),
                                            "; mend it, or get the file again"));
  }
  Code code{.pattern = std::string(pattern), .regex = {}};
  code.regex.reset(regex);
  code_ = std::make_unique<const Code>(std::move(code));
}
OnigurumaRegex::OnigurumaRegex(OnigurumaRegex&&) noexcept = default;
OnigurumaRegex::~OnigurumaRegex() = default;

std::optional<RegexSpan> OnigurumaRegex::find(std::string_view text, size_t from,
                                              Memory& memory) const {
  if (text.size() > INT_MAX) refuse_text(code_->pattern, "it has more than 2 GB");
  Memory::Parts& parts = *memory.parts_;
  const auto most_steps = most_steps_back(text.size());
  onig_set_retry_limit_in_match_of_match_param(parts.limits.get(), most_steps);
  onig_set_retry_limit_in_search_of_match_param(parts.limits.get(), most_steps);
  const OnigUChar *begin = bytes(text), *end = begin + text.size();
  const int rc = onig_search_with_param(code_->regex.get(), begin, end, begin + from, end,
                                        parts.region.get(), ONIG_OPTION_NONE, parts.limits.get());
  if (rc == ONIG_MISMATCH) return std::nullopt;
  if (rc < 0) refuse_text(code_->pattern, reason_of(rc, nullptr));
  // \K can put the beginning before the search or behind the end of the match.
  const auto match_end = static_cast<size_t>(parts.region->end[0]);
  return RegexSpan{std::clamp(static_cast<size_t>(parts.region->beg[0]), from, match_end),
                   match_end};
}

}  // namespace pagoda
