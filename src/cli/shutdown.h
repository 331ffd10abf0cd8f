// SIGTERM and Ctrl-C: a polite end at the first, an immediate one at the second.
//
// Thread rule: constructed in main before any other thread is started, because the signals are
// blocked there and in every thread that comes from it; only the watching thread takes them.
#pragma once

#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

namespace pagoda {

class Shutdown {
 public:
  Shutdown();
  // Waits for `politely`, if it runs.
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  // Until this call a signal ends the program at once with exit code 0: nothing is served yet, and
  // loading only reads. From now on the first signal runs `politely` on a thread of its own; a
  // second one ends the program at once with 128 + its number.
  void end_with(std::function<void()> politely);
  // Blocks until the first signal has come.
  void wait_for_signal();

 private:
  void watch();
  void take(int signal);
  void end_first_time(int signal);

  int signals_ = -1;  // signalfd
  int over_ = -1;     // eventfd: the watching thread shall end
  sigset_t before_;
  std::mutex mutex_;
  std::function<void()> politely_;  // under mutex_
  std::thread ending_;              // watching thread, then destructor
  int num_taken_ = 0;               // watching thread
  int first_taken_ = -1;            // eventfd: readable after the first signal
  std::thread watching_;
};

}  // namespace pagoda
