#include "load/module_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr std::string_view kExpression = "re:";
constexpr std::string_view kEmbedding = "embed_tokens";

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

[[noreturn]] void fail(const std::string& text, std::string_view what, int error) {
  PCRE2_UCHAR reason[256] = {};
  pcre2_get_error_message(error, reason, sizeof reason);
  throw Error(ErrorKind::kConfig,
              str("quantization_config: pattern \"", text, "\" ", what, ": ",
                  reinterpret_cast<const char*>(reason), "; correct it in config.json"));
}

PCRE2_SPTR units_of(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct ModulePattern::Expression {
  std::unique_ptr<pcre2_code, FreeCode> code;
};

ModulePattern::ModulePattern(std::string_view text) : text_(text) {
  if (!text.starts_with(kExpression)) return;
  const std::string_view pattern = text.substr(kExpression.size());
  int error = 0;
  size_t place = 0;
  pcre2_code* code =
      pcre2_compile(units_of(pattern), pattern.size(), PCRE2_ANCHORED, &error, &place, nullptr);
  if (code == nullptr) fail(text_, "cannot be used", error);
  expression_ = std::make_unique<Expression>();
  expression_->code.reset(code);
}

ModulePattern::ModulePattern(ModulePattern&&) noexcept = default;
ModulePattern& ModulePattern::operator=(ModulePattern&&) noexcept = default;
ModulePattern::~ModulePattern() = default;

bool ModulePattern::matches(std::string_view module) const {
  if (expression_ == nullptr) {
    return text_ == kProjections ? !module.ends_with(kEmbedding) : text_ == module;
  }
  const pcre2_code* code = expression_->code.get();
  const std::unique_ptr<pcre2_match_data, FreeMatch> data(
      pcre2_match_data_create_from_pattern(code, nullptr));
  const int result = pcre2_match(code, units_of(module), module.size(), 0, 0, data.get(), nullptr);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) fail(text_, str("cannot be compared with ", module), result);
  return true;
}

}  // namespace pagoda
