// Tells a model's thinking from its answer, as the text comes in: --reasoning-parser.
//
// Thread rule: one parser an answer, one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

struct ReasonedText {
  std::string reasoning, content;
};

class ReasoningParser {
 public:
  virtual ~ReasoningParser() = default;
  // What the next piece of text adds to either side. Holds back what may be the start of a mark.
  virtual ReasonedText add(std::string_view text) = 0;
  // What was held back; no text follows.
  virtual ReasonedText finish() = 0;
  // A whole answer. May differ from the sum of the pieces: an answer that was cut before its
  // thinking ended is content here for qwen3, as vLLM has it.
  virtual ReasonedText split(std::string_view whole) const = 0;
};

// What the parser looks for: tokens that the vocabulary must have.
struct ReasoningMarks {
  std::string_view begin, end;
};
ReasoningMarks reasoning_marks(std::string_view parser);

// `parser`: qwen3 or deepseek_r1; anything else throws kConfig with the list.
std::unique_ptr<ReasoningParser> make_reasoning_parser(std::string_view parser);

}  // namespace pagoda
