// PCRE2 with its compiler, in UTF and UCP mode: what pcre2_from_oniguruma() writes for.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "text/tokenizer/regex_engine.h"

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

std::string reason_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

// Of the interpreter.
constexpr uint32_t kMostHeapKilobytes = uint32_t{1} << 20;

struct Pcre2Memory final : RegexMemory {
  // One pair is enough: nobody reads groups.
  std::unique_ptr<pcre2_match_data, FreeMatchData> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context{
      pcre2_match_context_create(nullptr)};
  size_t bounded_for = SIZE_MAX;  // bytes of the text that the limit is set for

  Pcre2Memory() {
    pcre2_set_depth_limit(context.get(), UINT32_MAX);
    pcre2_set_heap_limit(context.get(), kMostHeapKilobytes);
  }

  void bound_for(size_t text_bytes) {
    if (bounded_for == text_bytes) return;
    bounded_for = text_bytes;
    pcre2_set_match_limit(context.get(), static_cast<uint32_t>(std::min<uint64_t>(
                                             most_steps_back(text_bytes), UINT32_MAX)));
  }
};

Pcre2Memory& memory_of(RegexScratch& scratch) {
  if (scratch.pcre2 == nullptr) scratch.pcre2 = std::make_unique<Pcre2Memory>();
  return static_cast<Pcre2Memory&>(*scratch.pcre2);
}

using Code = std::unique_ptr<pcre2_code, FreeCode>;

class Pcre2Engine final : public RegexEngine {
 public:
  Pcre2Engine(Code code, std::string_view pattern)
      : pattern_(pattern),
        code_(std::move(code)),
        jit_(pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0) {}

  std::optional<Span> find(std::string_view text, size_t from,
                           RegexScratch& scratch) const override {
    Pcre2Memory& memory = memory_of(scratch);
    memory.bound_for(text.size());
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (jit_) {
      rc = pcre2_jit_match(code_.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK,
                           memory.data.get(), memory.context.get());
    }
    // Then by the interpreter: the stack is too small for very many groups.
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
      rc = pcre2_match(code_.get(), units(text), text.size(), from,
                       PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, memory.data.get(), memory.context.get());
    }
    if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (rc < 0) refuse_text(pattern_, reason_of(rc));
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(memory.data.get());
    return Span{span[0], span[1]};
  }

 private:
  const std::string pattern_;
  const Code code_;
  const bool jit_;  // false where the system allows no compiled code
};

}  // namespace

std::unique_ptr<const RegexEngine> make_pcre2_engine(std::string_view translated,
                                                     std::string_view pattern) {
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP;
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(units(translated), translated.size(), kOptions, &error, &offset,
                          context.get()));
  if (code == nullptr) return nullptr;
  return std::make_unique<Pcre2Engine>(std::move(code), pattern);
}

}  // namespace pagoda
