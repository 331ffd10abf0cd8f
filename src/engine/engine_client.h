// The engine as the API sees it: token ids in, events out. One front may stand before several
// engines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/sampling_params.h"
#include "vision/picture.h"

namespace pagoda {

struct MetricsSnapshot;  // engine/metrics.h

// A picture in a prompt: tokens [first, first + tokens) stand for it, one a merged patch.
struct PromptPicture {
  PictureRef picture;
  int64_t first, tokens;
  int64_t end() const { return first + tokens; }
};

// What a request asks for.
enum class Task : uint8_t {
  kGenerate,
  kEmbed,  // the hidden state of the prompt's last token, and no answer
};

struct Request {
  RequestId id;  // unique for the life of the engine; see EngineClient::next_id()
  Task task = Task::kGenerate;
  std::vector<TokenId> prompt = {};
  std::vector<PromptPicture> pictures = {};  // in order
  SamplingParams sampling = {};              // of Task::kGenerate
  int64_t priority = 0;                      // smaller first, where the policy is priority
  std::string cache_salt = {};               // prefixes are shared only between equal salts
};

enum class FinishReason : uint8_t { kStop, kLength, kAbort };

struct TokenLogprob {
  TokenId token;
  float logprob;
  int rank;  // 1: the most likely
};

struct TokenLogprobs {
  TokenLogprob chosen;                 // sampled, or what the prompt has
  std::vector<TokenLogprob> top = {};  // the most likely, best first, as many as asked for
};

// What happened to a request in one step.
struct Event {
  RequestId id;
  std::vector<TokenId> tokens = {};          // new ones, the end token included
  std::vector<TokenLogprobs> logprobs = {};  // one a new token, where asked for
  std::vector<TokenLogprobs> prompt_logprobs =
      {};  // with the first token: of prompt tokens 1, 2, ...
  // Of Task::kEmbed, with its end, which is kStop: [hidden size], behind the model's last norm.
  std::vector<float> embedding = {};
  int64_t cached_tokens = 0;                // of the prompt, found in the prefix cache
  std::optional<FinishReason> finish = {};  // then this is the request's last event
  std::optional<TokenId> stop_token = {};   // which of stop_token_ids ended it (not the eos token)
  std::string error = {};                   // not empty: the engine failed; finish is kAbort
};

// Thread rule: called on the engine thread, once a step with all that happened in it. Must not
// block: hand over and return.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_events(std::vector<Event> events) = 0;
  // The engine has failed for good and will send nothing more.
  virtual void on_engine_death(const std::string& reason) = 0;
};

// Fixed facts about a running engine.
struct EngineFacts {
  int64_t max_model_len = 0;
  int64_t vocab = 0;
  int64_t num_blocks = 0;
  int64_t block_size = 0;
  int64_t weight_bytes = 0;        // as kept, of all ranks
  int64_t max_picture_tokens = 0;  // of one picture; 0: the model sees none
};

// Thread rule: any thread.
class EngineClient {
 public:
  virtual ~EngineClient() = default;
  virtual EngineFacts facts() const = 0;
  virtual RequestId next_id() = 0;
  // Events follow through the sink, unless is_alive() is false after the call: then the engine
  // failed before it took the request, perhaps, and nothing follows. The prompt has at least one
  // token and leaves room for max_tokens within max_model_len.
  virtual void submit(Request request) = 0;
  // No event of this request follows after the current step's. `why` is what metrics count: kStop
  // where the API found a stop string, kAbort where the client went away.
  virtual void cancel(RequestId id, FinishReason why) = 0;
  virtual void reset_prefix_cache() = 0;
  virtual bool is_alive() const = 0;
  virtual MetricsSnapshot metrics() const = 0;
};

}  // namespace pagoda
