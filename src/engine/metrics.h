// What the engine counts and times, with the names and buckets that dashboards for vLLM expect.
//
// Thread rule: Metrics is written by the engine thread, snapshot() is for any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "engine/step_counts.h"

namespace pagoda {

class Histogram {
 public:
  Histogram() = default;
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1, 0) {}

  void observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }  // upper, inclusive, ascending
  // Observations a bucket, not cumulative; one more than bounds: the last is up to infinity.
  const std::vector<int64_t>& counts() const { return counts_; }
  double sum() const { return sum_; }
  int64_t count() const { return count_; }

 private:
  std::vector<double> bounds_;
  std::vector<int64_t> counts_;
  double sum_ = 0;
  int64_t count_ = 0;
};

// 1, 2, 5, 10, 20, 50 ... up to `most`.
std::vector<double> one_two_five_bounds(int64_t most);

// Field for field the metrics of section 3 of the specification: vllm:<field>.
struct MetricsSnapshot {
  double created_unix_seconds = 0;  // the _created of every counter and histogram

  // Gauges.
  int64_t num_requests_running = 0;
  int64_t num_requests_waiting = 0;
  double kv_cache_usage_perc = 0;  // 0 to 1; also gpu_cache_usage_perc

  // Counters. The prefix cache is counted in tokens.
  int64_t prefix_cache_queries = 0;  // also gpu_prefix_cache_queries
  int64_t prefix_cache_hits = 0;     // also gpu_prefix_cache_hits
  int64_t num_preemptions = 0;
  int64_t prompt_tokens = 0;  // counted when the whole prompt is computed
  int64_t generation_tokens = 0;
  int64_t request_success_stop = 0;
  int64_t request_success_length = 0;
  int64_t request_success_abort = 0;

  // Histograms of tokens. A request with n > 1 is n requests to the engine.
  Histogram request_prompt_tokens;
  Histogram request_generation_tokens;  // also request_max_num_generation_tokens
  Histogram request_params_max_tokens;
  Histogram iteration_tokens_total;

  // Histograms of seconds.
  Histogram time_to_first_token_seconds;
  Histogram time_per_output_token_seconds;
  Histogram e2e_request_latency_seconds;
  Histogram request_queue_time_seconds;
  Histogram request_inference_time_seconds;
  Histogram request_prefill_time_seconds;
  Histogram request_decode_time_seconds;
};

class Metrics {
 public:
  explicit Metrics(int64_t max_model_len);

  MetricsSnapshot snapshot() const;

  // Engine thread.
  void count(const StepCounts& step);

 private:
  static void count_finished(MetricsSnapshot& metrics, const FinishedRequest& request);

  mutable Mutex mutex_;
  MetricsSnapshot metrics_ GUARDED_BY(mutex_);
};

}  // namespace pagoda
