#include "api/answers/chat_generation.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/answers/answer_logprobs.h"
#include "api/answers/random_id.h"
#include "api/answers/usage.h"
#include "base/json_writer.h"
#include "text/answer/reasoning_parser.h"
#include "text/answer/tool_call_parser.h"

namespace pagoda {
namespace {

namespace json = boost::json;

struct Answer {
  std::string text;  // as the model wrote it
  std::vector<TokenLogprobs> logprobs, prompt_logprobs;
  std::optional<FinishReason> finish;
  json::value stop_reason;
  // Of streams: what tells the parts of the text apart, as it comes in.
  std::unique_ptr<ReasoningParser> reasoning;
  std::unique_ptr<ToolCallParser> tools;
  bool called_tools = false;
};

// The parts of a piece of streamed text.
struct Pieces {
  std::string reasoning, content;
  std::vector<ToolCallPiece> calls;
};

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

std::string tool_call_id() {
  return "chatcmpl-tool-" + random_hex_id();
}

class ChatGeneration : public Generation {
 public:
  ChatGeneration(AnswerFrame frame, std::vector<PlannedChoice> plan, ChatOptions options)
      : Generation(std::move(frame), std::move(plan), options.prompt_tokens),
        options_(std::move(options)),
        answers_(static_cast<size_t>(num_choices())) {
    head_ = to_json(envelope("chat.completion.chunk"));
    head_.pop_back();  // its "}"
    head_ += ",\"choices\":[";
    for (Answer& answer : answers_) {
      if (!options_.reasoning_parser.empty()) {
        answer.reasoning = make_reasoning_parser(options_.reasoning_parser);
      }
      if (!options_.tool_call_parser.empty()) {
        answer.tools = make_tool_call_parser(options_.tool_call_parser);
      }
    }
  }

 protected:
  void on_delta(int index, ChoiceDelta delta) override {
    Answer& answer = answers_[static_cast<size_t>(index)];
    std::move(delta.logprobs.begin(), delta.logprobs.end(), std::back_inserter(answer.logprobs));
    if (delta.finish) {
      answer.finish = delta.finish;
      answer.stop_reason = std::move(delta.stop_reason);
    }
    if (frame().stream) {
      send_chunks(index, answer, delta);
      return;
    }
    answer.text += delta.text;
    std::move(delta.prompt_logprobs.begin(), delta.prompt_logprobs.end(),
              std::back_inserter(answer.prompt_logprobs));
  }

  void on_end() override {
    if (!frame().include_usage) return;
    send(head_, fmt::format("],\"usage\":{}}}", to_json(usage_without_nulls(total_usage()))));
  }

  json::object body() override {
    json::object out = envelope("chat.completion");
    json::array choices;
    for (int i = 0; i < num_choices(); ++i) choices.emplace_back(choice_object(i));
    out["choices"] = std::move(choices);
    out["usage"] = usage_with_details(total_usage());
    out["prompt_logprobs"] = nullptr;
    if (options_.prompt_logprobs) {
      out["prompt_logprobs"] = prompt_logprobs(answers_[0].prompt_logprobs, *frame().tokenizer);
    }
    out["kv_transfer_params"] = nullptr;
    return out;
  }

 private:
  json::object envelope(std::string_view object) const {
    return {{"id", frame().id},
            {"object", object},
            {"created", frame().created},
            {"model", frame().model}};
  }

  Usage total_usage() const {
    return {.prompt_tokens = prompt_tokens(),
            .completion_tokens = completion_tokens(),
            .cached_tokens = frame().prompt_tokens_details ? cached_tokens() : 0};
  }

  json::value logprobs_of(std::span<const TokenLogprobs> tokens) const {
    if (!options_.logprobs) return nullptr;
    return chat_logprobs(tokens, {.tokenizer = frame().tokenizer,
                                  .num_top = *options_.logprobs,
                                  .tokens_as_ids = frame().tokens_as_ids});
  }

  // {"role","reasoning_content","content","tool_calls"}
  json::object message_of(Answer& answer) const {
    json::value reasoning, content = json::value(answer.text);
    std::string text = answer.text;
    if (answer.reasoning) {
      ReasonedText parts = answer.reasoning->split(answer.text);
      reasoning = text_or_null(parts.reasoning);
      text = std::move(parts.content);
      content = parts.reasoning.empty() ? json::value(text) : text_or_null(text);
    }
    json::array calls;
    if (answer.tools) {
      const ToolAnswer found = answer.tools->parse(text);
      for (const ToolCall& call : found.calls) {
        calls.emplace_back(json::object{
            {"id", tool_call_id()},
            {"type", "function"},
            {"function", json::object{{"name", call.name}, {"arguments", call.arguments}}}});
      }
      answer.called_tools = !calls.empty();
      if (answer.called_tools) content = text_or_null(found.content);
    }
    if (!options_.echo.empty()) {
      content = options_.echo + (content.is_null() ? "" : std::string(content.get_string()));
    }
    return {{"role", options_.role},
            {"reasoning_content", std::move(reasoning)},
            {"content", std::move(content)},
            {"tool_calls", std::move(calls)}};
  }

  json::object choice_object(int index) {
    Answer& answer = answers_[static_cast<size_t>(index)];
    json::object message = message_of(answer);
    json::object out = {{"index", index}, {"message", std::move(message)}};
    out["logprobs"] = logprobs_of(answer.logprobs);
    out["finish_reason"] = finish_name(answer);
    out["stop_reason"] = answer.stop_reason;
    return out;
  }

  static std::string_view finish_name(const Answer& answer) {
    if (answer.called_tools) return "tool_calls";
    return name_of(answer.finish.value_or(FinishReason::kAbort));
  }

  static Pieces split(Answer& answer, std::string text, bool last) {
    Pieces out;
    out.content = std::move(text);
    if (answer.reasoning) {
      ReasonedText parts = answer.reasoning->add(out.content);
      if (last) {
        const ReasonedText rest = answer.reasoning->finish();
        parts.reasoning += rest.reasoning;
        parts.content += rest.content;
      }
      out.reasoning = std::move(parts.reasoning);
      out.content = std::move(parts.content);
    }
    if (answer.tools) {
      ToolPieces parts = answer.tools->add(out.content);
      if (last) {
        ToolPieces rest = answer.tools->finish();
        parts.content += rest.content;
        for (ToolCallPiece& call : rest.calls) parts.calls.push_back(std::move(call));
      }
      out.content = std::move(parts.content);
      out.calls = std::move(parts.calls);
      answer.called_tools = answer.called_tools || !out.calls.empty();
    }
    return out;
  }

  void send_chunks(int index, Answer& answer, ChoiceDelta& delta) {
    if (delta.tokens.empty() && !delta.finish) return;
    if (!began_) begin_stream();
    const bool last = delta.finish.has_value();
    const bool plain = !answer.reasoning && !answer.tools;
    Pieces pieces = split(answer, std::move(delta.text), last);
    // Without parsers every token has its chunk, be its text empty; with them, only what they give.
    const bool has_text = plain || !pieces.content.empty() || !pieces.reasoning.empty();
    if (has_text && !(last && pieces.calls.empty())) {
      send_delta(index, answer, text_delta(pieces), false);
    }
    for (const ToolCallPiece& call : pieces.calls) {
      send_delta(index, answer, call_delta(call), false);
    }
    if (!last) return;
    if (!pieces.calls.empty()) pieces = {};
    send_delta(index, answer, text_delta(pieces), true);
  }

  // Every choice is announced with the first token of any.
  void begin_stream() {
    began_ = true;
    std::string role = "{\"role\":";
    append_json_string(role, options_.role, false);
    role += ",\"content\":\"\"}";
    Answer none;
    announcing_ = true;
    for (int i = 0; i < num_choices(); ++i) send_delta(i, none, role, false);
    for (int i = 0; i < num_choices() && !options_.echo.empty(); ++i) {
      send_delta(i, none, text_delta({.reasoning = {}, .content = options_.echo, .calls = {}}),
                 false);
    }
    announcing_ = false;
  }

  // In the order of vLLM's DeltaMessage.
  static std::string text_delta(const Pieces& pieces) {
    std::string out = "{";
    if (!pieces.content.empty() || pieces.reasoning.empty()) {
      out += "\"content\":";
      append_json_string(out, pieces.content, false);
      if (!pieces.reasoning.empty()) out += ',';
    }
    if (!pieces.reasoning.empty()) {
      out += "\"reasoning_content\":";
      append_json_string(out, pieces.reasoning, false);
    }
    return out + '}';
  }

  static std::string call_delta(const ToolCallPiece& call) {
    json::object entry;
    if (!call.name.empty()) {
      entry = {{"id", tool_call_id()},
               {"type", "function"},
               {"index", call.index},
               {"function", json::object{{"name", call.name}}}};
    } else {
      entry = {{"index", call.index}, {"function", json::object{{"arguments", call.arguments}}}};
    }
    return to_json(json::object{{"tool_calls", json::array{std::move(entry)}}});
  }

  // Log-probabilities go with the next chunk of their choice, whatever it holds.
  void send_delta(int index, Answer& answer, std::string_view delta, bool last) {
    std::string chunk = fmt::format("{{\"index\":{},\"delta\":{},\"logprobs\":", index, delta);
    if (options_.logprobs && !answer.logprobs.empty()) {
      chunk += to_json(logprobs_of(answer.logprobs));
      answer.logprobs.clear();
    } else {
      chunk += "null";
    }
    if (last) {
      chunk += fmt::format(",\"finish_reason\":\"{}\",\"stop_reason\":{}}}]", finish_name(answer),
                           to_json(answer.stop_reason));
    } else {
      chunk += ",\"finish_reason\":null}]";
    }
    if (frame().continuous_usage) {
      const Usage usage = {.prompt_tokens = prompt_tokens(),
                           .completion_tokens = announcing_ ? 0 : choice(index).num_tokens()};
      chunk += fmt::format(",\"usage\":{}", to_json(usage_counts(usage)));
    }
    chunk += '}';
    send(head_, chunk);
  }

  const ChatOptions options_;
  std::string head_;  // of every chunk, up to its choices
  std::vector<Answer> answers_;
  bool began_ = false;
  bool announcing_ = false;  // what is sent belongs to no token yet
};

}  // namespace

std::unique_ptr<Generation> make_chat_generation(AnswerFrame frame, std::vector<PlannedChoice> plan,
                                                 ChatOptions options) {
  return std::make_unique<ChatGeneration>(std::move(frame), std::move(plan), std::move(options));
}

}  // namespace pagoda
