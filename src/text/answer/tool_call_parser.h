// Finds tool calls in a model's answer, as the text comes in: --tool-call-parser.
//
// Thread rule: one parser an answer, one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

struct ToolCall {
  std::string name;
  std::string arguments;  // JSON text
};

// A whole answer. Without calls all of it is content.
struct ToolAnswer {
  std::string content;
  std::vector<ToolCall> calls;
};

// A piece of call `index`. The first piece of a call has its name and no arguments; the others add
// to its arguments.
struct ToolCallPiece {
  int index;
  std::string name;
  std::string arguments;
};

struct ToolPieces {
  std::string content;
  std::vector<ToolCallPiece> calls;
};

class ToolCallParser {
 public:
  virtual ~ToolCallParser() = default;
  // What the next piece of text adds. Holds back what may be the start of a call.
  virtual ToolPieces add(std::string_view text) = 0;
  // What was held back; no text follows.
  virtual ToolPieces finish() = 0;
  virtual ToolAnswer parse(std::string_view whole) const = 0;
};

// `parser`: hermes; anything else throws kConfig with the list.
std::unique_ptr<ToolCallParser> make_tool_call_parser(std::string_view parser);

}  // namespace pagoda
