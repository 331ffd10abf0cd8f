// What the API asks of the engine, on its way from any thread to the engine's.
//
// Thread rule: push() and close() from any thread; wait() and take_all() on the engine thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "engine/engine_client.h"
#include "engine/metrics.h"

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
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      commands_.push_back(std::move(command));
    }
    changed_.notify_one();
  }

  // Nothing comes in any more; what is in can still be taken.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_one();
  }

  bool is_closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

  // Sleeps until there is a command, the queue is closed, or `deadline`.
  void wait(std::optional<Clock::time_point> deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return closed_ || !commands_.empty(); };
    if (deadline) {
      changed_.wait_until(lock, *deadline, ready);
    } else {
      changed_.wait(lock, ready);
    }
  }

  std::vector<Command> take_all() {
    const std::lock_guard lock(mutex_);
    return std::exchange(commands_, {});
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Command> commands_;  // under mutex_
  bool closed_ = false;            // under mutex_
};

}  // namespace pagoda
