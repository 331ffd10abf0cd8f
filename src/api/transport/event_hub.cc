#include "api/transport/event_hub.h"

#include <utility>

namespace pagoda {

void EventHub::add(RequestId id, IoThread& thread) {
  const MutexLock lock(mutex_);
  thread_of_[id] = &thread;
}

void EventHub::remove(RequestId id) {
  const MutexLock lock(mutex_);
  thread_of_.erase(id);
}

void EventHub::on_events(std::vector<Event> events) {
  if (threads_.size() == 1) {
    threads_[0]->deliver(std::move(events));
    return;
  }
  std::unordered_map<IoThread*, std::vector<Event>> by_thread;
  {
    const MutexLock lock(mutex_);
    for (Event& event : events) {
      const auto at = thread_of_.find(event.id);
      if (at != thread_of_.end()) by_thread[at->second].push_back(std::move(event));
    }
  }
  for (auto& [thread, batch] : by_thread) thread->deliver(std::move(batch));
}

void EventHub::on_engine_death(const std::string& reason) {
  for (const auto& thread : threads_) thread->fail_all(reason);
}

}  // namespace pagoda
