// SIGTERM and Ctrl-C: a polite end at the first, an immediate one at the second.
//
// Thread rule: constructed in main before any other thread is started, because the signals are
// blocked there and in every thread that comes from it; only the watching thread takes them.
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <thread>

#include "base/mutex.h"

namespace pagoda {

class Shutdown {
 public:
  Shutdown();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  // While this lives, the first signal runs `politely` on a thread of its own, and a second one
  // ends the program at once with 128 + its number. Before and after, nothing is served, and a
  // signal ends the program at once with exit code 0. The end of its life waits for `politely`.
  class PoliteEnd {
   public:
    PoliteEnd(Shutdown& shutdown, std::function<void()> politely);
    ~PoliteEnd();
    PoliteEnd(const PoliteEnd&) = delete;
    PoliteEnd& operator=(const PoliteEnd&) = delete;

   private:
    Shutdown& shutdown_;
  };

  // Blocks until the first signal has come.
  void wait_for_signal();

 private:
  void watch();
  void take(int signal);
  void end_first_time(int signal);

  int signals_ = -1;  // signalfd
  int over_ = -1;     // eventfd: the watching thread shall end
  sigset_t before_;
  Mutex mutex_;
  std::function<void()> politely_ GUARDED_BY(mutex_);
  std::thread ending_;  // under mutex_ until it is joined
  std::optional<std::chrono::steady_clock::time_point> first_time_;  // watching thread
  int first_taken_ = -1;  // eventfd: readable after the first signal
  std::thread watching_;
};

}  // namespace pagoda
