#include "engine/stats_log.h"

#include <fmt/format.h>

namespace pagoda {
namespace {

constexpr auto kInterval = std::chrono::seconds(10);
constexpr size_t kRecent = 1000;  // as vLLM: the hit rate is that of the last requests

}  // namespace

void StatsLog::count(const StepCounts& step, Clock::time_point now) {
  // The time without traffic is not averaged over.
  if (!next_line()) interval_began_ = now;
  prompt_tokens_ += step.prompt_tokens;
  generation_tokens_ += step.generation_tokens;
  running_ = step.running;
  waiting_ = step.waiting;
  kv_cache_usage_ = step.kv_cache_usage;
  if (step.prefix_queries == 0) return;
  recent_.push_back({step.prefix_queries, step.prefix_hits});
  recent_sum_.queries += step.prefix_queries;
  recent_sum_.hits += step.prefix_hits;
  if (recent_.size() <= kRecent) return;
  recent_sum_.queries -= recent_.front().queries;
  recent_sum_.hits -= recent_.front().hits;
  recent_.pop_front();
}

std::optional<Clock::time_point> StatsLog::next_line() const {
  const bool is_active = prompt_tokens_ + generation_tokens_ + running_ + waiting_ > 0;
  if (!is_active && !was_active_) return std::nullopt;
  return interval_began_ + kInterval;
}

std::optional<std::string> StatsLog::line_at(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - interval_began_).count();
  if (now - interval_began_ < kInterval) return std::nullopt;
  const bool is_due = next_line().has_value();
  was_active_ = prompt_tokens_ + generation_tokens_ > 0;
  const std::string line = fmt::format(
      "Engine 000: Avg prompt throughput: {:.1f} tokens/s, Avg generation throughput: {:.1f} "
      "tokens/s, Running: {} reqs, Waiting: {} reqs, GPU KV cache usage: {:.1f}%, Prefix cache hit "
      "rate: {:.1f}%",
      static_cast<double>(prompt_tokens_) / seconds,
      static_cast<double>(generation_tokens_) / seconds, running_, waiting_, 100 * kv_cache_usage_,
      100 * hit_rate());
  interval_began_ = now;
  prompt_tokens_ = generation_tokens_ = 0;
  return is_due ? std::optional(line) : std::nullopt;
}

double StatsLog::hit_rate() const {
  if (recent_sum_.queries == 0) return 0;
  return static_cast<double>(recent_sum_.hits) / static_cast<double>(recent_sum_.queries);
}

}  // namespace pagoda
