// Says how far loading is: a line that is written over on a terminal, a log line now and then
// elsewhere.
//
// Thread rule: any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "load/weight_store.h"

namespace pagoda {

struct LoadReportOptions {
  int64_t total_bytes = 0;   // 0: unknown
  bool is_terminal = false;  // standard error is one
  bool is_silent = false;    // --no-use-tqdm-on-load
};

class LoadReport final : public LoadProgress {
 public:
  explicit LoadReport(const LoadReportOptions& options);

  void add_bytes(int64_t bytes) override;
  // All is loaded: the line of the terminal is wiped, how long it took is logged.
  void finish();

  // "Loading weights:  43 % (0.65 of 1.50 GB, 1.20 GB/s)".
  static std::string line(int64_t bytes, int64_t total_bytes, double seconds);

 private:
  using Clock = std::chrono::steady_clock;

  const LoadReportOptions options_;
  const Clock::time_point start_;
  std::mutex mutex_;
  int64_t bytes_ = 0;              // under mutex_
  Clock::time_point next_report_;  // under mutex_
};

}  // namespace pagoda
