// Runs the syntax tree of a template.
//
// Thread rule: pure function; the program is only read.
#pragma once

#include <span>
#include <string>

#include "text/template/ast.h"
#include "text/template/heap.h"

namespace pagoda {

// Throws kRequest with reason and line.
std::string render_template(const TemplateProgram& program, TemplateHeap& heap,
                            std::span<const NamedTemplateValue> variables);

}  // namespace pagoda
