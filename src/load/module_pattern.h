// Names of modules, as configurations of quantization choose them: a full name, every projection,
// or a regular expression.
//
// Thread rule: immutable after construction; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace pagoda {

// Every projection, which is whatever is no embedding.
constexpr std::string_view kProjections = "Linear";

class ModulePattern {
 public:
  // "re:EXPRESSION" fits as Python's re.match: from the start of the name, in PCRE2's dialect.
  // kProjections fits those; other texts fit themselves.
  // Throws kConfig for an expression that cannot be compiled.
  explicit ModulePattern(std::string_view text);
  ModulePattern(ModulePattern&&) noexcept;
  ModulePattern& operator=(ModulePattern&&) noexcept;
  ~ModulePattern();

  // Throws kConfig where an expression takes too many steps to decide.
  bool matches(std::string_view module) const;

 private:
  struct Expression;

  std::string text_;
  std::unique_ptr<Expression> expression_;  // null: no expression
};

}  // namespace pagoda
