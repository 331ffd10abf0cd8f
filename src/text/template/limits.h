// What one rendering of a template may cost. Templates come from model folders and, in the field
// chat_template of a request, from clients, so every loop and every buffer has an end.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pagoda {

struct TemplateLimits {
  // A step is an expression, a statement, 16 bytes of text searched or copied, or 4 bytes looked at
  // letter by letter: 20 to 150 ns. A prompt of a megabyte takes a million or less.
  int64_t max_steps = 20'000'000;
  // Of the thread's own processor time: who else is busy, or a stop of the process, does not count.
  std::chrono::milliseconds max_time{2000};
  int64_t max_memory_bytes = int64_t{512} << 20;  // all values of one rendering
  int64_t max_output_bytes = int64_t{64} << 20;
  int64_t max_range = 100'000;  // MAX_RANGE of Jinja2's sandbox
  // Nested calls of the evaluator: a macro call takes about six. 8 MiB of stack hold three times as
  // many even with a sanitizer's larger frames.
  int max_depth = 1000;
};

// Of a template's source; the largest that is published has some 30 KB.
constexpr size_t kMaxTemplateBytes = size_t{1} << 20;
// Nested brackets, operators and blocks of a template's source.
constexpr int kMaxTemplateNesting = 200;

}  // namespace pagoda
