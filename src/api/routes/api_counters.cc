#include "api/routes/api_counters.h"

#include <fmt/format.h>

#include <chrono>

namespace pagoda {
namespace {

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

ApiCounters::ApiCounters() {
  counts_.created_unix_seconds = unix_seconds();
  // The buckets of prometheus-fastapi-instrumentator and of vllm/v1/metrics/loggers.py (v0.9.2).
  counts_.seconds = Histogram(
      {.01, .025, .05, .075, .1, .25, .5, .75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60});
  counts_.num_choices = Histogram({1, 2, 5, 10, 20});
  counts_.max_generation_tokens = Histogram(one_two_five_bounds(1));
}

void ApiCounters::set_max_model_len(int64_t max_model_len) {
  const MutexLock lock(mutex_);
  counts_.max_generation_tokens = Histogram(one_two_five_bounds(max_model_len));
}

void ApiCounters::count(const AnsweredRequest& request) {
  const MutexLock lock(mutex_);
  const auto key = std::pair(std::string(request.route), std::string(request.method));
  auto [at, is_new] = counts_.routes.try_emplace(key);
  RouteCounts& route = at->second;
  if (is_new) {
    route.created_unix_seconds = unix_seconds();
    route.seconds = Histogram({.1, .5, 1});
  }
  ++route.by_status[fmt::format("{}xx", request.status / 100)];
  ++route.requests;
  route.request_bytes += static_cast<double>(request.request_bytes);
  route.response_bytes += static_cast<double>(request.response_bytes);
  route.seconds.observe(request.seconds);
  counts_.seconds.observe(request.seconds);
}

void ApiCounters::count_generation(int num_choices, int64_t longest_choice) {
  const MutexLock lock(mutex_);
  counts_.num_choices.observe(num_choices);
  counts_.max_generation_tokens.observe(static_cast<double>(longest_choice));
}

ApiCounts ApiCounters::snapshot() const {
  const MutexLock lock(mutex_);
  return counts_;
}

}  // namespace pagoda
