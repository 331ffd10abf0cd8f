#include "api/transport/io_thread.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/log.h"
namespace pagoda {

namespace asio = boost::asio;

IoThread::IoThread() : context_(1), work_(asio::make_work_guard(context_)) {}

IoThread::~IoThread() {
  finish();
}

void IoThread::start() {
  thread_ = std::thread([this] {
    while (!run_until_failure()) {
    }
  });
}

bool IoThread::run_until_failure() {
  try {
    context_.run();
    return true;
  } catch (const std::exception& e) {
    // A bug of ours in one handler; the other connections go on.
    LOG_ERROR("a connection failed: {}", e.what());
    return false;
  }
}

void IoThread::finish() {
  work_.reset();
  if (thread_.joinable()) thread_.join();
}

void IoThread::deliver(std::vector<Event> events) {
  bool was_empty = false;
  {
    const MutexLock lock(mutex_);
    was_empty = mailbox_.empty();
    if (was_empty) {
      mailbox_ = std::move(events);
    } else {
      std::move(events.begin(), events.end(), std::back_inserter(mailbox_));
    }
  }
  if (was_empty) asio::post(context_, [this] { drain_mailbox(); });
}

void IoThread::drain_mailbox() {
  std::vector<Event> events;
  {
    const MutexLock lock(mutex_);
    events.swap(mailbox_);
  }
  touched_.clear();
  for (Event& event : events) {
    const auto at = targets_.find(event.id);
    if (at == targets_.end()) continue;  // its client has gone
    const Target target = at->second;
    // Taken by value above: the listener may remove itself.
    target.listener->on_event(target.choice, std::move(event));
    if (touched_.empty() || touched_.back() != target.listener) touched_.push_back(target.listener);
  }
  std::sort(touched_.begin(), touched_.end());
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  for (EventListener* listener : touched_) listener->on_batch_end();
}

void IoThread::fail_all(std::string reason) {
  asio::post(context_, [this, reason = std::move(reason)] {
    std::unordered_set<EventListener*> listeners;
    for (const auto& [id, target] : targets_) listeners.insert(target.listener);
    for (EventListener* listener : listeners) listener->on_engine_death(reason);
  });
}

void IoThread::post_close(bool at_once) {
  asio::post(context_, [this, at_once] {
    closing_ = true;
    const std::vector<Closable*> all(connections_.begin(), connections_.end());
    for (Closable* connection : all) {
      if (connections_.count(connection) > 0) connection->close(at_once);
    }
  });
}

void IoThread::add(RequestId id, EventListener& listener, int choice) {
  targets_[id] = {&listener, choice};
}

void IoThread::remove(RequestId id) {
  targets_.erase(id);
}

}  // namespace pagoda
