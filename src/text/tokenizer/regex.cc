#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tokenizer/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "text/tokenizer/regex_oniguruma.h"
#include "text/tokenizer/regex_translation.h"

namespace pagoda {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
using Pcre2Code = std::unique_ptr<pcre2_code, FreeCode>;

std::string reason_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

// Null if the pattern is not exactly expressible.
Pcre2Code compile(std::string_view pattern) {
  const std::optional<std::string> translated = pcre2_from_oniguruma(pattern);
  if (!translated) return nullptr;
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  return Pcre2Code(pcre2_compile(units(*translated), translated->size(), PCRE2_UTF | PCRE2_UCP,
                                 &error, &offset, context.get()));
}

}  // namespace

struct Regex::Code {
  std::string pattern;
  Pcre2Code pcre2;
  bool jit = false;                         // false also where the system allows no compiled code
  std::optional<OnigurumaRegex> oniguruma;  // instead of pcre2
};

struct Regex::Scratch::Parts {
  // One pair is enough: nobody reads groups.
  std::unique_ptr<pcre2_match_data, FreeMatchData> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context{
      pcre2_match_context_create(nullptr)};
  size_t bounded_for = SIZE_MAX;  // bytes of the text that the limit is set for
  std::optional<OnigurumaRegex::Memory> oniguruma;

  Parts() {
    constexpr uint32_t kMostHeapKilobytes = uint32_t{1} << 20;  // of the interpreter
    pcre2_set_depth_limit(context.get(), UINT32_MAX);
    pcre2_set_heap_limit(context.get(), kMostHeapKilobytes);
  }

  void bound_for(size_t text_bytes) {
    bounded_for = text_bytes;
    const uint64_t most_steps = std::min<uint64_t>(most_steps_back(text_bytes), UINT32_MAX);
    pcre2_set_match_limit(context.get(), static_cast<uint32_t>(most_steps));
  }

  Span span() const {
    const PCRE2_SIZE* pair = pcre2_get_ovector_pointer(data.get());
    return {pair[0], pair[1]};
  }
};

Regex::Scratch::Scratch() : parts_(std::make_unique<Parts>()) {}
Regex::Scratch::Scratch(Scratch&&) noexcept = default;
Regex::Scratch::~Scratch() = default;

Regex::Regex(std::string_view pattern) {
  Code code{.pattern = std::string(pattern), .pcre2 = compile(pattern), .oniguruma = {}};
  if (code.pcre2 != nullptr) {
    code.jit = pcre2_jit_compile(code.pcre2.get(), PCRE2_JIT_COMPLETE) == 0;
  } else {
    code.oniguruma.emplace(pattern);
  }
  code_ = std::make_unique<const Code>(std::move(code));
}

Regex::Regex(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex Regex::by_oniguruma(std::string_view pattern) {
  Code code{.pattern = std::string(pattern), .pcre2 = {}, .oniguruma = OnigurumaRegex(pattern)};
  return Regex(std::make_unique<const Code>(std::move(code)));
}

bool Regex::is_by_oniguruma() const {
  return code_->oniguruma.has_value();
}

std::optional<Regex::Span> Regex::find(std::string_view text, size_t from, Scratch& scratch) const {
  Scratch::Parts& parts = *scratch.parts_;
  if (parts.bounded_for != text.size()) parts.bound_for(text.size());
  int rc = PCRE2_ERROR_JIT_STACKLIMIT;
  if (code_->jit) {
    rc = pcre2_jit_match(code_->pcre2.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK,
                         parts.data.get(), parts.context.get());
  }
  if (rc >= 0) return parts.span();
  if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (rc != PCRE2_ERROR_JIT_STACKLIMIT) refuse_text(code_->pattern, reason_of(rc));
  return find_without_compiler(text, from, parts);
}

// The rare case, apart from find() so that this stays small.
std::optional<Regex::Span> Regex::find_without_compiler(std::string_view text, size_t from,
                                                        Scratch::Parts& parts) const {
  if (code_->oniguruma) {
    if (!parts.oniguruma) parts.oniguruma.emplace();
    return code_->oniguruma->find(text, from, *parts.oniguruma);
  }
  const int rc =
      pcre2_match(code_->pcre2.get(), units(text), text.size(), from,
                  PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, parts.data.get(), parts.context.get());
  if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (rc < 0) refuse_text(code_->pattern, reason_of(rc));
  return parts.span();
}

std::optional<Regex::Span> Regex::next(std::string_view text, Iteration& at,
                                       Scratch& scratch) const {
  while (at.from <= text.size()) {
    const std::optional<Span> match = find(text, at.from, scratch);
    if (!match) return std::nullopt;
    if (match->begin != match->end || at.last_end != match->end) {
      at.from = match->end;
      at.last_end = match->end;
      return match;
    }
    do {
      ++at.from;
    } while (at.from < text.size() && (static_cast<uint8_t>(text[at.from]) & 0xC0) == 0x80);
  }
  return std::nullopt;
}

}  // namespace pagoda
