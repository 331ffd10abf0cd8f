#include "engine/metrics.h"

#include <algorithm>
#include <span>
#include <utility>

namespace pagoda {
namespace {

constexpr double kFirstTokenBounds[] = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                        1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
constexpr double kOutputTokenBounds[] = {.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                                         .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
constexpr double kRequestBounds[] = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                     30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
constexpr double kIterationBounds[] = {1,   8,    16,   32,   64,   128,  256,
                                       512, 1024, 2048, 4096, 8192, 16384};

std::vector<double> bounds_of(std::span<const double> bounds) {
  return {bounds.begin(), bounds.end()};
}

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  ++counts_[static_cast<size_t>(bucket)];
  sum_ += value;
  ++count_;
}

std::vector<double> one_two_five_bounds(int64_t most) {
  std::vector<double> bounds;
  for (int64_t power = 1;; power *= 10) {
    for (const int64_t digit : {1, 2, 5}) {
      if (digit * power > most) return bounds;
      bounds.push_back(static_cast<double>(digit * power));
    }
  }
}

Metrics::Metrics(int64_t max_model_len) {
  metrics_.created_unix_seconds =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (Histogram* tokens : {&metrics_.request_prompt_tokens, &metrics_.request_generation_tokens,
                            &metrics_.request_params_max_tokens}) {
    *tokens = Histogram(one_two_five_bounds(max_model_len));
  }
  metrics_.iteration_tokens_total = Histogram(bounds_of(kIterationBounds));
  metrics_.time_to_first_token_seconds = Histogram(bounds_of(kFirstTokenBounds));
  metrics_.time_per_output_token_seconds = Histogram(bounds_of(kOutputTokenBounds));
  for (Histogram* seconds :
       {&metrics_.e2e_request_latency_seconds, &metrics_.request_queue_time_seconds,
        &metrics_.request_inference_time_seconds, &metrics_.request_prefill_time_seconds,
        &metrics_.request_decode_time_seconds}) {
    *seconds = Histogram(bounds_of(kRequestBounds));
  }
}

MetricsSnapshot Metrics::snapshot() const {
  const MutexLock lock(mutex_);
  return metrics_;
}

void Metrics::count(const StepCounts& step) {
  const MutexLock lock(mutex_);
  metrics_.num_requests_running = step.running;
  metrics_.num_requests_waiting = step.waiting;
  metrics_.kv_cache_usage_perc = step.kv_cache_usage;
  metrics_.num_preemptions += step.preemptions;
  metrics_.prompt_tokens += step.prompt_tokens;
  metrics_.generation_tokens += step.generation_tokens;
  metrics_.prefix_cache_queries += step.prefix_queries;
  metrics_.prefix_cache_hits += step.prefix_hits;
  const int64_t tokens = step.prompt_tokens + step.generation_tokens;
  if (tokens > 0) metrics_.iteration_tokens_total.observe(static_cast<double>(tokens));
  for (const double seconds : step.seconds_to_first_token) {
    metrics_.time_to_first_token_seconds.observe(seconds);
  }
  for (const double seconds : step.seconds_per_output_token) {
    metrics_.time_per_output_token_seconds.observe(seconds);
  }
  for (const FinishedRequest& request : step.finished) count_finished(metrics_, request);
}

void Metrics::count_finished(MetricsSnapshot& metrics, const FinishedRequest& request) {
  switch (request.reason) {
    case FinishReason::kStop: ++metrics.request_success_stop; break;
    case FinishReason::kLength: ++metrics.request_success_length; break;
    case FinishReason::kAbort: ++metrics.request_success_abort; break;
  }
  metrics.request_prompt_tokens.observe(static_cast<double>(request.prompt_tokens));
  metrics.request_generation_tokens.observe(static_cast<double>(request.generation_tokens));
  metrics.request_params_max_tokens.observe(static_cast<double>(request.max_tokens));
  const RequestTimes& times = request.times;
  metrics.e2e_request_latency_seconds.observe(seconds_between(times.submitted, request.now));
  // A request that was cancelled before its first token has no stages to time.
  if (request.generation_tokens == 0) return;
  metrics.request_queue_time_seconds.observe(seconds_between(times.submitted, times.scheduled));
  metrics.request_prefill_time_seconds.observe(seconds_between(times.scheduled, times.first_token));
  metrics.request_decode_time_seconds.observe(seconds_between(times.first_token, times.last_token));
  metrics.request_inference_time_seconds.observe(
      seconds_between(times.scheduled, times.last_token));
}

}  // namespace pagoda
