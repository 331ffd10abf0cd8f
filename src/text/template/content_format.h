// Whether a chat template expects the content of a message as a list of parts.
//
// Thread rule: pure function.
#pragma once

#include "text/template/ast.h"

namespace pagoda {

// As vLLM 0.9.2 finds it (vllm/entrypoints/chat_utils.py): the template loops over the content of
// a message, where a message is what a loop over `messages` (or a variable set to it) yields.
bool loops_over_content(const TemplateProgram& program);

}  // namespace pagoda
