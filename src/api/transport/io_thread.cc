#include "api/transport/io_thread.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "api/transport/post_surely.h"
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
  if (was_empty) post_surely(context_, [this] { drain_mailbox(); });
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
    hand_over(target, std::move(event));
  }
  std::sort(touched_.begin(), touched_.end());
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  for (EventListener* listener : touched_) end_batch(*listener);
}

void IoThread::hand_over(const Target& target, Event event) {
  try {
    if (touched_.empty() || touched_.back() != target.listener) touched_.push_back(target.listener);
    target.listener->on_event(target.choice, std::move(event));
  } catch (const std::exception& e) {
    LOG_ERROR("a request failed: {}", e.what());
    target.listener->on_failure(e);
  }
}

void IoThread::end_batch(EventListener& listener) {
  try {
    listener.on_batch_end();
  } catch (const std::exception& e) {
    LOG_ERROR("a request failed: {}", e.what());
    listener.on_failure(e);
  }
}

void IoThread::fail_all(std::string reason) {
  post_surely(context_, [this, reason = std::move(reason)] {
    std::unordered_set<EventListener*> listeners;
    for (const auto& [id, target] : targets_) listeners.insert(target.listener);
    for (EventListener* listener : listeners) listener->on_failure(std::runtime_error(reason));
  });
}

void IoThread::post_close(bool at_once) {
  post_surely(context_, [this, at_once] {
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
