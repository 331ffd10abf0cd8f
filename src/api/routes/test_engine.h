// An engine for tests of the API: it answers every request with a text that the test chose, one
// token a step, when the test says so.
//
// Thread rule: any thread.
#pragma once

#include <algorithm>
#include <map>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/engine_client.h"
#include "engine/metrics.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {

struct ScriptedFacts {
  int64_t max_model_len = 256;
  int64_t max_picture_tokens = 0;
};

class ScriptedEngine : public EngineClient {
 public:
  explicit ScriptedEngine(const Tokenizer& tokenizer, const ScriptedFacts& facts = {})
      : tokenizer_(tokenizer),
        facts_{.max_model_len = facts.max_model_len,
               .vocab = tokenizer.vocab_size(),
               .num_blocks = 100,
               .block_size = 16,
               .max_picture_tokens = facts.max_picture_tokens} {}
  explicit ScriptedEngine(const Tokenizer& tokenizer, int64_t max_model_len)
      : ScriptedEngine(tokenizer, ScriptedFacts{.max_model_len = max_model_len}) {}

  // What every later request gets; then the end token.
  void answer_with(const std::string& text) {
    const MutexLock lock(mutex_);
    script_ = tokenizer_.encode(text, false);
  }
  void answer_with_tokens(TokenIds tokens) {
    const MutexLock lock(mutex_);
    script_ = std::move(tokens);
  }
  void die() {
    const MutexLock lock(mutex_);
    alive_ = false;
  }
  // Like an engine that fails after it was asked whether it is alive.
  void die_at_next_submit() {
    const MutexLock lock(mutex_);
    dies_at_next_submit_ = true;
  }

  // Whoever asks for an id next finds no memory.
  void run_out_of_memory() {
    const MutexLock lock(mutex_);
    has_memory_ = false;
  }

  // The events of one step: a token for every request that runs.
  std::vector<Event> step() {
    const MutexLock lock(mutex_);
    std::vector<Event> events;
    for (auto at = running_.begin(); at != running_.end();) {
      events.push_back(next_event(at->second));
      at = events.back().finish ? running_.erase(at) : std::next(at);
    }
    return events;
  }

  size_t num_running() const {
    const MutexLock lock(mutex_);
    return running_.size();
  }
  std::vector<Request> submitted() const {
    const MutexLock lock(mutex_);
    return submitted_;
  }
  std::vector<std::pair<RequestId, FinishReason>> cancelled() const {
    const MutexLock lock(mutex_);
    return cancelled_;
  }
  void forget_submitted() {
    const MutexLock lock(mutex_);
    submitted_.clear();
  }
  int num_resets() const {
    const MutexLock lock(mutex_);
    return num_resets_;
  }

  // EngineClient.
  EngineFacts facts() const override { return facts_; }
  RequestId next_id() override {
    const MutexLock lock(mutex_);
    if (!std::exchange(has_memory_, true)) throw std::bad_alloc();
    return RequestId(++last_id_);
  }
  void submit(Request request) override {
    const MutexLock lock(mutex_);
    if (dies_at_next_submit_) alive_ = false;
    if (!alive_) return;
    submitted_.push_back(request);
    const RequestId id = request.id;
    running_.emplace(id.value(), Running{.request = std::move(request), .script = script_});
  }
  void cancel(RequestId id, FinishReason why) override {
    const MutexLock lock(mutex_);
    cancelled_.emplace_back(id, why);
    running_.erase(id.value());
  }
  void reset_prefix_cache() override {
    const MutexLock lock(mutex_);
    ++num_resets_;
  }
  bool is_alive() const override {
    const MutexLock lock(mutex_);
    return alive_;
  }
  MetricsSnapshot metrics() const override { return Metrics(facts_.max_model_len).snapshot(); }

 private:
  struct Running {
    Request request;
    TokenIds script;
    size_t made = 0;
  };

  // A token's log-probability is minus its place in the ranking; every token ranks second behind
  // the one before it in the vocabulary.
  static TokenLogprobs logprobs_of(TokenId token, int num_top) {
    TokenLogprobs out;
    out.chosen = {.token = token, .logprob = -2.0F, .rank = 2};
    for (int i = 0; i < num_top; ++i) {
      const TokenId other(token.value() - 1 + i);
      out.top.push_back({.token = other, .logprob = -1.0F - static_cast<float>(i), .rank = i + 1});
    }
    return out;
  }

  Event next_event(Running& running) {
    const SamplingParams& params = running.request.sampling;
    Event event;
    event.id = running.request.id;
    const bool at_end = running.made >= running.script.size();
    event.tokens = {at_end ? *tokenizer_.eos() : running.script[running.made]};
    ++running.made;
    if (params.logprobs) event.logprobs = {logprobs_of(event.tokens[0], *params.logprobs)};
    if (params.prompt_logprobs && running.made == 1) {
      for (size_t i = 1; i < running.request.prompt.size(); ++i) {
        event.prompt_logprobs.push_back(
            logprobs_of(running.request.prompt[i], *params.prompt_logprobs));
      }
    }
    if (running.made == 1) event.cached_tokens = 4;
    const bool is_stop = std::find(params.stop_token_ids.begin(), params.stop_token_ids.end(),
                                   event.tokens[0]) != params.stop_token_ids.end();
    if (is_stop) {
      event.finish = FinishReason::kStop;
      event.stop_token = event.tokens[0];
    } else if (at_end && !params.ignore_eos) {
      event.finish = FinishReason::kStop;
    } else if (static_cast<int64_t>(running.made) >= params.max_tokens) {
      event.finish = FinishReason::kLength;
    }
    return event;
  }

  const Tokenizer& tokenizer_;
  const EngineFacts facts_;
  mutable Mutex mutex_;
  uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  TokenIds script_ GUARDED_BY(mutex_);
  std::map<uint64_t, Running> running_ GUARDED_BY(mutex_);
  std::vector<Request> submitted_ GUARDED_BY(mutex_);
  std::vector<std::pair<RequestId, FinishReason>> cancelled_ GUARDED_BY(mutex_);
  int num_resets_ GUARDED_BY(mutex_) = 0;
  bool dies_at_next_submit_ GUARDED_BY(mutex_) = false;
  bool alive_ GUARDED_BY(mutex_) = true;
  bool has_memory_ GUARDED_BY(mutex_) = true;
};

}  // namespace pagoda
