// The stream of a device: a thread that runs what is queued, one after another, each after a delay.
//
// Delays come from a seed: most are none, some are longer than a whole step takes to queue, so that
// whoever counts on work being done, or on it not being done yet, is wrong now and then.
//
// Thread rule: push() and wait() on the thread of the device's rank.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/mutex.h"

namespace pagoda::ref {

class ApartStream {
 public:
  explicit ApartStream(uint64_t seed);
  ~ApartStream();  // after all that is queued
  ApartStream(const ApartStream&) = delete;
  ApartStream& operator=(const ApartStream&) = delete;

  void push(std::function<void()> work);
  // The point behind all that was pushed.
  uint64_t last() const { return pushed_; }
  // Until everything up to this point is done. Throws what the first work that failed threw; what
  // was behind that is not run.
  void wait(uint64_t point);
  // The same, whether or not anything failed.
  void drain();

 private:
  void run();
  void delay();
  void note_failure(ErrorKind kind, const char* what);
  // The next work; empty at the end.
  std::function<void()> next();

  const uint64_t seed_;
  uint64_t pushed_ = 0;      // on the thread of the rank
  uint64_t delays_ = 0;      // on the thread of the stream
  bool has_failed_ = false;  // on the thread of the stream
  Mutex mutex_;
  Condition changed_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  uint64_t done_ GUARDED_BY(mutex_) = 0;
  bool is_ending_ GUARDED_BY(mutex_) = false;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace pagoda::ref
