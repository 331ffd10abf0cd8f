// What the API counts by itself: requests in flight and by route, and what the engine cannot see
// because a request of a client with n choices is n requests to it.
//
// Thread rule: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "base/mutex.h"
#include "engine/metrics.h"

namespace pagoda {

struct AnsweredRequest {
  std::string_view route;  // as in the table of routes
  std::string_view method;
  int status = 200;
  size_t request_bytes = 0, response_bytes = 0;  // of the bodies; of a stream 0
  double seconds = 0;                            // until the head of the answer
};

struct RouteCounts {
  double created_unix_seconds = 0;
  std::map<std::string, int64_t> by_status;  // "2xx" ...
  int64_t requests = 0;
  double request_bytes = 0, response_bytes = 0;
  Histogram seconds;
};

struct ApiCounts {
  double created_unix_seconds = 0;
  std::map<std::pair<std::string, std::string>, RouteCounts> routes;  // by route and method
  Histogram seconds;
  Histogram num_choices;            // vllm:request_params_n
  Histogram max_generation_tokens;  // vllm:request_max_num_generation_tokens
};

class ApiCounters {
 public:
  ApiCounters();

  // Once the longest possible answer is known.
  void set_max_model_len(int64_t max_model_len);
  void count(const AnsweredRequest& request);
  void count_generation(int num_choices, int64_t longest_choice);
  ApiCounts snapshot() const;
  int64_t in_flight() const { return in_flight_; }

 private:
  friend class InFlight;
  std::atomic<int64_t> in_flight_{0};
  mutable Mutex mutex_;
  ApiCounts counts_ GUARDED_BY(mutex_);
};

// A request that is being served, for as long as this lives.
class InFlight {
 public:
  explicit InFlight(ApiCounters& counters) : counters_(counters) { ++counters_.in_flight_; }
  ~InFlight() { --counters_.in_flight_; }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  ApiCounters& counters_;
};

}  // namespace pagoda
