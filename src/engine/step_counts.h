// What one step did, as metrics and the log count it.
//
// Thread rule: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/engine_client.h"

namespace pagoda {

using Clock = std::chrono::steady_clock;

// When the stages of a request were reached.
struct RequestTimes {
  Clock::time_point submitted, scheduled, first_token, last_token;
};

// What is counted when a request is over.
struct FinishedRequest {
  FinishReason reason;
  int64_t prompt_tokens, generation_tokens, max_tokens;
  RequestTimes times;
  Clock::time_point now;
};

// A step is counted as a whole, so that the lock of Metrics is taken a few times a step.
struct StepCounts {
  int64_t running = 0, waiting = 0;
  double kv_cache_usage = 0;
  int64_t preemptions = 0;
  int64_t prompt_tokens = 0, generation_tokens = 0;
  int64_t prefix_queries = 0, prefix_hits = 0;
  std::vector<double> seconds_to_first_token = {};
  std::vector<double> seconds_per_output_token = {};
  std::vector<FinishedRequest> finished = {};

  // Nothing has happened; the memory is kept.
  void clear();
};

}  // namespace pagoda
