// What one rendering of a template may cost. Templates come from model folders, and with
// --trust-request-chat-template from clients, so every loop and every buffer has an end.
#pragma once

#include <cstdint>

namespace pagoda {

struct TemplateLimits {
  // A step is an expression, a statement, or about 64 bytes of text touched: some 20 ns. Prompts of
  // a megabyte take a few hundred thousand.
  int64_t max_steps = 50'000'000;
  int64_t max_memory_bytes = int64_t{512} << 20;  // all values of one rendering
  int64_t max_output_bytes = int64_t{64} << 20;
  int64_t max_range = 100'000;  // MAX_RANGE of Jinja2's sandbox
  // Nested calls of the evaluator: a macro call takes about six. 8 MiB of stack hold three times as
  // many even with a sanitizer's larger frames.
  int max_depth = 1000;
};

// Nested brackets, operators and blocks of a template's source.
constexpr int kMaxTemplateNesting = 200;

}  // namespace pagoda
