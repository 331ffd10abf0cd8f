// A request that is being answered: its sequences in the engine, and what the client gets of them.
// One per HTTP request; made by the route, then owned by the connection.
//
// Thread rule: made anywhere, then used on one I/O thread.
// Invariant: is_done() holds exactly when every sequence is finished or the request has failed; no
// sequence runs in the engine when a Generation is gone.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/answers/choice.h"
#include "api/http/error_body.h"
#include "api/http/http_message.h"
#include "engine/engine_client.h"

namespace pagoda {

// What every answer of this request says, and how.
struct AnswerFrame {
  EngineClient* engine = nullptr;
  const Tokenizer* tokenizer = nullptr;
  std::string id;  // "cmpl-..." or "chatcmpl-..."
  std::string model;
  int64_t created = 0;  // seconds since 1970
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;
  bool prompt_tokens_details = false;
  bool tokens_as_ids = false;
};

// A sequence to start, and what becomes of its tokens.
struct PlannedChoice {
  Request request;
  Choice choice;
};

class Generation {
 public:
  // `prompt_tokens`: of all prompts, each counted once however many choices it has.
  Generation(AnswerFrame frame, std::vector<PlannedChoice> plan, int64_t prompt_tokens);
  virtual ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  const std::string& id() const { return frame_.id; }
  bool is_stream() const { return frame_.stream; }
  int num_choices() const { return static_cast<int>(choices_.size()); }

  EngineClient& engine() const { return *frame_.engine; }
  // To be submitted in this order; request i belongs to choice i. Once.
  std::vector<Request> take_requests();
  // What happened to choice i.
  void on_event(int choice, Event event);
  // Nothing more will come from the engine.
  void fail(Failure failure);

  bool is_done() const { return failure_.has_value() || num_open_ == 0; }
  int64_t longest_choice() const;  // in tokens
  // Of a stream: bytes to send, taken once. They are complete when is_done().
  std::string& unsent() { return unsent_; }
  // Not of a stream, when is_done(); on any thread, while nothing else is asked of this.
  HttpReply reply();
  // Whether the reply has so much to say that it does not belong on an I/O thread.
  bool has_large_reply() const;

 protected:
  // What choice i adds. The delta is the choice's own; it may be moved from.
  virtual void on_delta(int choice, ChoiceDelta delta) = 0;
  // After the last delta of a stream: the usage.
  virtual void on_end() = 0;
  virtual boost::json::object body() = 0;

  const AnswerFrame& frame() const { return frame_; }
  const Choice& choice(int i) const { return choices_[static_cast<size_t>(i)]; }
  // Adds "data: <chunk>\n\n".
  void send(std::string_view begin, std::string_view end);
  int64_t prompt_tokens() const { return prompt_tokens_; }
  int64_t completion_tokens() const;
  int64_t cached_tokens() const { return cached_tokens_; }

 private:
  void cancel_open() noexcept;

  const AnswerFrame frame_;
  const int64_t prompt_tokens_;
  std::vector<Request> requests_;  // until they are taken
  std::vector<Choice> choices_;
  bool submitted_ = false;
  int num_open_;  // choices that are not finished
  std::optional<Failure> failure_;
  int64_t cached_tokens_ = 0;
  int64_t prompt_logprobs_ = 0;     // of all prompt tokens of all choices
  int64_t logprobs_per_token_ = 0;  // of a choice
  std::string unsent_;
};

}  // namespace pagoda
