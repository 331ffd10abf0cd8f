#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tokenizer/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/error.h"
#include "base/str.h"

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
struct FreeJitStack {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

std::string reason_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

// A group in a loop takes some 50 bytes of stack a turn: enough for a text of 16 MB, and only
// reserved until it is used.
constexpr size_t kJitStackBytes = size_t{1} << 30;
constexpr size_t kFirstJitStackBytes = size_t{64} << 10;

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, FreeCode> code;
  bool jit = false;
};

struct Regex::Scratch::Parts {
  // One pair is enough: nobody reads groups.
  std::unique_ptr<pcre2_match_data, FreeMatchData> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context{
      pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_jit_stack, FreeJitStack> stack;  // made when the small default is too small

  Parts() {
    pcre2_set_match_limit(context.get(), UINT32_MAX);
    pcre2_set_depth_limit(context.get(), UINT32_MAX);
    pcre2_set_heap_limit(context.get(), UINT32_MAX);
  }

  void grow_stack() {
    stack.reset(pcre2_jit_stack_create(kFirstJitStackBytes, kJitStackBytes, nullptr));
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

Regex::Scratch::Scratch() : parts_(std::make_unique<Parts>()) {}
Regex::Scratch::Scratch(Scratch&&) noexcept = default;
Regex::Scratch::~Scratch() = default;

Regex::Regex(std::string_view pattern) : code_(std::make_unique<Code>()) {
  const std::string translated = pcre2_from_oniguruma(pattern);
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  constexpr uint32_t kOptions =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_ALLOW_EMPTY_CLASS;
  code_->code.reset(pcre2_compile(units(translated), translated.size(), kOptions, &error, &offset,
                                  context.get()));
  if (code_->code == nullptr) {
    throw Error(ErrorKind::kCheckpoint, str("the regular expression \"", pattern,
                                            "\" is not understood: ", reason_of(error), " at \"",
                                            translated.substr(offset), "\""));
  }
  code_->jit = pcre2_jit_compile(code_->code.get(), PCRE2_JIT_COMPLETE) == 0;
}

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

std::optional<Regex::Span> Regex::find(std::string_view text, size_t from, Scratch& scratch) const {
  Scratch::Parts& parts = *scratch.parts_;
  const pcre2_code* code = code_->code.get();
  const auto match = code_->jit ? &pcre2_jit_match_8 : &pcre2_match_8;
  int rc = match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK, parts.data.get(),
                 parts.context.get());
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT && parts.stack == nullptr) {
    parts.grow_stack();
    rc = match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK, parts.data.get(),
               parts.context.get());
  }
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {  // what is left is the interpreter, which uses the heap
    rc = pcre2_match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                     parts.data.get(), parts.context.get());
  }
  if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (rc < 0) {
    throw Error(ErrorKind::kRequest,
                str("the text cannot be split into words by this model's regular expression: ",
                    reason_of(rc)));
  }
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(parts.data.get());
  // \K within a lookahead can put the beginning behind the end; Oniguruma has no such match.
  return Span{std::min(span[0], span[1]), span[1]};
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
