// A few threads that do what is posted, in the order in which it came.
//
// Thread rule: post() from any thread.
// Invariant: everything posted is done before the destructor returns. A task that throws ends
// itself only, but whoever waits for it waits for ever: tasks keep what goes wrong.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace pagoda {

class TaskThreads {
 public:
  // Throws std::system_error where the system refuses a thread.
  explicit TaskThreads(int threads);
  ~TaskThreads();
  TaskThreads(const TaskThreads&) = delete;
  TaskThreads& operator=(const TaskThreads&) = delete;

  void post(std::function<void()> task);

 private:
  void end();
  void work();
  std::optional<std::function<void()>> take();  // nothing: the threads end

  Mutex mutex_;
  Condition changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  bool ending_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace pagoda
