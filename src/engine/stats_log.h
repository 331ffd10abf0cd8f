// The line of statistics that tools look for in the log, every ten seconds while there is traffic
// and once after it has ended.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "engine/step_counts.h"

namespace pagoda {

class StatsLog {
 public:
  explicit StatsLog(Clock::time_point now) : interval_began_(now) {}

  void count(const StepCounts& step, Clock::time_point now);
  // When line_at() will have something to say; none while nothing happens.
  std::optional<Clock::time_point> next_line() const;
  // The line, if it is due.
  std::optional<std::string> line_at(Clock::time_point now);

 private:
  struct PrefixUse {
    int64_t queries, hits;
  };
  double hit_rate() const;

  Clock::time_point interval_began_;
  int64_t prompt_tokens_ = 0, generation_tokens_ = 0;  // in this interval
  bool was_active_ = false;                            // in the one before
  int64_t running_ = 0, waiting_ = 0;
  double kv_cache_usage_ = 0;
  std::deque<PrefixUse> recent_;  // steps that asked the prefix cache
  PrefixUse recent_sum_ = {0, 0};
};

}  // namespace pagoda
