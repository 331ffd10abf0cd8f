// Tells the user how loading goes: one line that is rewritten on a terminal, plain log lines
// elsewhere, then "Loading weights took X seconds".
//
//   Loading weights:  42% | 3.21/7.62 GB | 2.31 GB/s
//
// Thread rule: add_bytes() from any thread; finish() once, when all of them are done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/mutex.h"
#include "load/load_progress.h"

namespace pagoda {

struct ProgressOptions {
  int64_t total_bytes = 0;   // of all ranks together; 0: not known
  bool is_terminal = false;  // whether `write` goes to one
  // Receives what is to appear: "\r" and a line without its end on a terminal, else a whole
  // message, which is logged by default.
  std::function<void(const std::string&)> write = {};
  // For tests; by default the steady clock.
  std::function<std::chrono::steady_clock::time_point()> now = {};
};

class ProgressPrinter final : public LoadProgress {
 public:
  explicit ProgressPrinter(ProgressOptions options);
  void add_bytes(int64_t bytes) override;
  void finish();

 private:
  using Time = std::chrono::steady_clock::time_point;

  std::string text(int64_t bytes, double seconds) const;
  void report(int64_t bytes, Time now) REQUIRES(mutex_);

  const ProgressOptions options_;
  const Time start_;
  std::atomic<int64_t> bytes_ = 0;
  std::atomic<int64_t> next_look_ = 0;  // bytes below which the clock is not read

  Mutex mutex_;
  Time last_time_ GUARDED_BY(mutex_);
  int64_t last_tenth_ GUARDED_BY(mutex_) = 0;
  size_t line_length_ GUARDED_BY(mutex_) = 0;  // on the terminal, to be overwritten
};

}  // namespace pagoda
