#include "text/answer/tool_call_parser.h"

#include <boost/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "text/answer/partial_mark.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr std::string_view kBegin = "<tool_call>", kEnd = "</tool_call>";
// As json.dumps(arguments, ensure_ascii=False), which clients of vLLM see.
constexpr JsonStyle kArgumentsStyle = {.item_separator = ", ", .key_separator = ": "};

// Follows the text of one JSON object, byte by byte, and says where the values of its keys begin
// and end: enough to send a call's name and arguments before its end is there.
class ObjectFollower {
 public:
  enum class State { kWaiting, kInside, kDone, kBroken };

  // Feeds text[at]. Keys and values are views into the same growing text, so they are offsets.
  void feed(std::string_view text, size_t at) {
    const char c = text[at];
    if (state_ == State::kWaiting) {
      if (c == '{') {
        state_ = State::kInside;
        depth_ = 1;
        expects_key_ = true;
      } else if (!is_space(c)) {
        state_ = State::kBroken;
      }
      return;
    }
    if (state_ != State::kInside) return;
    if (in_string_) {
      feed_string(text, at);
    } else {
      feed_structure(text, at);
    }
  }

  State state() const { return state_; }
  struct Value {
    size_t begin = 0;
    std::optional<size_t> end;  // none while it grows
  };
  const std::optional<Value>& name() const { return name_; }
  const std::optional<Value>& arguments() const { return arguments_; }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

  void feed_string(std::string_view text, size_t at) {
    if (escaped_) {
      escaped_ = false;
    } else if (text[at] == '\\') {
      escaped_ = true;
    } else if (text[at] == '"') {
      in_string_ = false;
      if (depth_ == 1 && expects_key_)
        key_ = std::string(text.substr(string_begin_, at - string_begin_));
    }
  }

  void feed_structure(std::string_view text, size_t at) {
    const char c = text[at];
    if (is_space(c)) return;
    if (depth_ == 1 && c == ':' && expects_key_) {
      expects_key_ = false;
      awaits_value_ = true;
      return;
    }
    if (awaits_value_) begin_value(at);
    if (c == '"') {
      in_string_ = true;
      string_begin_ = at + 1;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == ',' && depth_ == 1) {
      end_value(text, at);
      expects_key_ = true;
    } else if (c == '}' || c == ']') {
      if (depth_ == 1) {
        end_value(text, at);
        state_ = State::kDone;
      } else if (--depth_ == 1) {
        end_value(text, at + 1);  // an object or list ends with its bracket
      }
    }
  }

  void begin_value(size_t at) {
    awaits_value_ = false;
    if (key_ == "name") name_ = Value{.begin = at, .end = {}};
    if (key_ == "arguments") arguments_ = Value{.begin = at, .end = {}};
  }

  void end_value(std::string_view text, size_t end) {
    std::optional<Value>& value = key_ == "name" ? name_ : arguments_;
    if ((key_ != "name" && key_ != "arguments") || !value || value->end) return;
    while (end > value->begin && is_space(text[end - 1])) --end;
    value->end = end;
  }

  State state_ = State::kWaiting;
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false, expects_key_ = false, awaits_value_ = false;
  size_t string_begin_ = 0;
  std::string key_;
  std::optional<Value> name_, arguments_;
};

std::optional<std::string> unquoted(std::string_view text) {
  json::error_code failed;
  const json::value value = json::parse(text, failed);
  if (failed || !value.is_string()) return std::nullopt;
  return std::string(value.get_string());
}

// <tool_call>{"name": ..., "arguments": {...}}</tool_call>, as Hermes and Qwen write it.
class HermesParser : public ToolCallParser {
 public:
  ToolPieces add(std::string_view text) override {
    held_ += text;
    ToolPieces out;
    while (advance(out)) {
    }
    return out;
  }

  ToolPieces finish() override {
    ToolPieces out;
    if (inside_) {
      follow(out, held_.size());
      if (!name_sent_) out.content += str(kBegin, held_);  // it became no call: nothing is lost
    } else {
      out.content += held_;
    }
    held_.clear();
    return out;
  }

  ToolAnswer parse(std::string_view whole) const override {
    const size_t first = whole.find(kBegin);
    ToolAnswer answer;
    for (size_t at = first; at != std::string_view::npos; at = whole.find(kBegin, at)) {
      at += kBegin.size();
      const size_t end = whole.find(kEnd, at);
      std::optional<ToolCall> call = call_of(whole.substr(at, end - at));
      if (!call) return {.content = std::string(whole), .calls = {}};
      answer.calls.push_back(std::move(*call));
    }
    answer.content = whole.substr(0, first);
    return answer;
  }

 private:
  static std::optional<ToolCall> call_of(std::string_view text) {
    json::error_code failed;
    const json::value value = json::parse(text, failed);
    if (failed || !value.is_object()) return std::nullopt;
    const json::value* name = value.get_object().if_contains("name");
    const json::value* arguments = value.get_object().if_contains("arguments");
    if (name == nullptr || !name->is_string() || arguments == nullptr) return std::nullopt;
    return ToolCall{.name = std::string(name->get_string()),
                    .arguments = to_json(*arguments, kArgumentsStyle)};
  }

  // True if a mark was passed and there may be more.
  bool advance(ToolPieces& out) {
    const std::string_view mark = inside_ ? kEnd : kBegin;
    const size_t at = held_.find(mark);
    if (at == std::string::npos) {
      const size_t certain = held_.size() - longest_mark_start(held_, mark);
      if (inside_) {
        follow(out, certain);
      } else {
        give_content(out, certain);
      }
      return false;
    }
    if (inside_) {
      follow(out, at);
      if (!name_sent_) out.content += str(kBegin, held_.substr(0, at), kEnd);
      if (name_sent_) ++index_;
    } else {
      give_content(out, at);
      at_begin_of_call();
    }
    held_.erase(0, (inside_ ? at : 0) + mark.size());
    inside_ = !inside_;
    return true;
  }

  void give_content(ToolPieces& out, size_t bytes) {
    // Between and after calls stand line breaks that belong to the format, not to the answer.
    const std::string_view text = std::string_view(held_).substr(0, bytes);
    const bool only_space = text.find_first_not_of(" \n\r\t") == std::string_view::npos;
    if (index_ == 0 || !only_space) out.content += text;
    held_.erase(0, bytes);
  }

  void at_begin_of_call() {
    follower_ = {};
    followed_ = 0;
    arguments_sent_ = 0;
    name_sent_ = false;
  }

  // Follows held_[0, bytes), the text of the call so far, and gives out what is new.
  void follow(ToolPieces& out, size_t bytes) {
    const std::string_view text = held_;
    for (; followed_ < bytes; ++followed_) follower_.feed(text, followed_);
    const auto& name = follower_.name();
    const auto& arguments = follower_.arguments();
    if (!name_sent_ && name && name->end) {
      if (const auto value = unquoted(text.substr(name->begin, *name->end - name->begin))) {
        out.calls.push_back({.index = index_, .name = *value, .arguments = {}});
        name_sent_ = true;
      }
    }
    if (!name_sent_ || !arguments) return;
    const size_t end = arguments->end.value_or(bytes), begin = arguments->begin + arguments_sent_;
    if (end <= begin) return;
    out.calls.push_back(
        {.index = index_, .name = {}, .arguments = std::string(text.substr(begin, end - begin))});
    arguments_sent_ += end - begin;
  }

  std::string held_;     // what is not given out: the call's text so far, or a possible mark
  bool inside_ = false;  // a call
  int index_ = 0;        // of the call
  ObjectFollower follower_;
  size_t followed_ = 0, arguments_sent_ = 0;
  bool name_sent_ = false;
};

}  // namespace

std::unique_ptr<ToolCallParser> make_tool_call_parser(std::string_view parser) {
  if (parser == "hermes") return std::make_unique<HermesParser>();
  throw Error(ErrorKind::kConfig, str("--tool-call-parser: \"", parser,
                                      "\" is not known; choose hermes (Qwen, Hermes)"));
}

}  // namespace pagoda
