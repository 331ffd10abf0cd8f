// Cuts a template into tokens as Jinja2 does with trim_blocks and lstrip_blocks: text between tags
// with white space control already applied, and the tokens inside tags.
//
// Thread rule: pure function.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

enum class TokenType : uint8_t {
  kText,        // between tags
  kPrintBegin,  // {{
  kPrintEnd,    // }}
  kTagBegin,    // {%
  kTagEnd,      // %}
  kName,
  kString,  // text is the value, escapes resolved
  kInteger,
  kFloat,
  kOperator,  // text is the operator
  kEnd,
};

struct TemplateToken {
  TokenType type;
  std::string text;
  int line;
};

// Throws kConfig with the line and the reason. The last token is kEnd.
std::vector<TemplateToken> tokenize_template(std::string_view source);

// Error{kConfig}: "the chat template does not parse: REASON (line N)".
[[noreturn]] void fail_template_syntax(int line, std::string_view reason);

}  // namespace pagoda
