// What the API asks of the engine, on its way from any thread to the engine's.
//
// Thread rule: push() and close() from any thread; wait() and take_all() on the engine thread.
#pragma once

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "engine/engine_client.h"
#include "engine/step_counts.h"

namespace pagoda {

struct SubmitCommand {
  Request request;
  Clock::time_point when;
};
struct CancelCommand {
  RequestId id;
  FinishReason why;
};
struct ResetPrefixCacheCommand {};
using Command = std::variant<SubmitCommand, CancelCommand, ResetPrefixCacheCommand>;

class CommandQueue {
 public:
  // Dropped where the queue is closed.
  void push(Command command) {
    {
      const MutexLock lock(mutex_);
      if (closed_) return;
      commands_.push_back(std::move(command));
    }
    changed_.notify_one();
  }

  // Nothing comes in any more; what is in can still be taken.
  void close() {
    {
      const MutexLock lock(mutex_);
      closed_ = true;
    }
    changed_.notify_one();
  }

  bool is_closed() const {
    const MutexLock lock(mutex_);
    return closed_;
  }

  // Sleeps until there is a command, the queue is closed, or `deadline`.
  void wait(std::optional<Clock::time_point> deadline) {
    MutexLock lock(mutex_);
    while (!closed_ && commands_.empty()) {
      if (!deadline) {
        changed_.wait(lock);
      } else if (!changed_.wait_until(lock, *deadline)) {
        return;
      }
    }
  }

  std::vector<Command> take_all() {
    const MutexLock lock(mutex_);
    return std::exchange(commands_, {});
  }

 private:
  mutable Mutex mutex_;
  Condition changed_;
  std::vector<Command> commands_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace pagoda
