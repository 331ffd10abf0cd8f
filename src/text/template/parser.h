// Turns the source of a template into its syntax tree.
//
// Thread rule: pure function.
#pragma once

#include <memory>
#include <string_view>

#include "text/template/ast.h"

namespace pagoda {

// Throws kConfig with the line and the reason.
std::unique_ptr<const TemplateProgram> parse_template(std::string_view source);

}  // namespace pagoda
