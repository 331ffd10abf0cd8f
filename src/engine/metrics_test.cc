#include "engine/metrics.h"

#include <doctest/doctest.h>

#include "engine/stats_log.h"

namespace pagoda {
namespace {

using std::chrono::seconds;

TEST_CASE("bounds of token histograms go 1, 2, 5 up to the model's length") {
  CHECK(one_two_five_bounds(60) == std::vector<double>{1, 2, 5, 10, 20, 50});
  CHECK(one_two_five_bounds(1) == std::vector<double>{1});
}

TEST_CASE("a value on a bound belongs to the bucket below it") {
  Histogram histogram({1, 2});
  for (const double value : {0.5, 1.0, 1.5, 99.0}) histogram.observe(value);
  CHECK(histogram.counts() == std::vector<int64_t>{2, 1, 1});
  CHECK(histogram.count() == 4);
  CHECK(histogram.sum() == 102.0);
}

TEST_CASE("a finished request is counted by its reason and timed by its stages") {
  Metrics metrics(1000);
  const Clock::time_point start = {};
  metrics.count({.running = 2,
                 .prompt_tokens = 5,
                 .generation_tokens = 3,
                 .finished = {{.reason = FinishReason::kLength,
                               .prompt_tokens = 5,
                               .generation_tokens = 3,
                               .max_tokens = 3,
                               .times = {.submitted = start,
                                         .scheduled = start + seconds(1),
                                         .first_token = start + seconds(3),
                                         .last_token = start + seconds(7)},
                               .now = start + seconds(8)}}});
  const MetricsSnapshot m = metrics.snapshot();
  CHECK(m.num_requests_running == 2);
  CHECK(m.request_success_length == 1);
  CHECK(m.request_success_stop == 0);
  CHECK(m.e2e_request_latency_seconds.sum() == 8);
  CHECK(m.request_queue_time_seconds.sum() == 1);
  CHECK(m.request_prefill_time_seconds.sum() == 2);
  CHECK(m.request_decode_time_seconds.sum() == 4);
  CHECK(m.request_inference_time_seconds.sum() == 6);
  CHECK(m.iteration_tokens_total.sum() == 8);
}

TEST_CASE("the line of statistics comes every ten seconds of traffic, once more, and no more") {
  const Clock::time_point start = {};
  StatsLog log(start);
  CHECK_FALSE(log.next_line());
  const StepCounts step = {.running = 1,
                           .waiting = 2,
                           .kv_cache_usage = 0.25,
                           .prompt_tokens = 100,
                           .generation_tokens = 50,
                           .prefix_queries = 200,
                           .prefix_hits = 150};
  log.count(step, start + seconds(100));
  CHECK(log.next_line() == start + seconds(110));
  CHECK_FALSE(log.line_at(start + seconds(109)));
  CHECK(log.line_at(start + seconds(110)) ==
        "Engine 000: Avg prompt throughput: 10.0 tokens/s, Avg generation throughput: 5.0 "
        "tokens/s, Running: 1 reqs, Waiting: 2 reqs, GPU KV cache usage: 25.0%, Prefix cache hit "
        "rate: 75.0%");
  log.count({}, start + seconds(111));
  CHECK(log.line_at(start + seconds(120)) ==
        "Engine 000: Avg prompt throughput: 0.0 tokens/s, Avg generation throughput: 0.0 "
        "tokens/s, Running: 0 reqs, Waiting: 0 reqs, GPU KV cache usage: 0.0%, Prefix cache hit "
        "rate: 75.0%");
  CHECK_FALSE(log.next_line());
  CHECK_FALSE(log.line_at(start + seconds(130)));
}

}  // namespace
}  // namespace pagoda
