// Hands a step's events to the threads whose connections wait for them.
//
// Thread rule: any thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/transport/io_thread.h"
#include "base/mutex.h"
#include "engine/engine_client.h"

namespace pagoda {

class EventHub final : public EventSink {
 public:
  // The threads must outlive it, and be all there before the first call.
  explicit EventHub(std::vector<std::unique_ptr<IoThread>>& threads) : threads_(threads) {}

  // Which thread gets the events of a request.
  void add(RequestId id, IoThread& thread);
  void remove(RequestId id);

  void on_events(std::vector<Event> events) override;
  void on_engine_death(const std::string& reason) override;

 private:
  std::vector<std::unique_ptr<IoThread>>& threads_;
  Mutex mutex_;
  std::unordered_map<RequestId, IoThread*> thread_of_ GUARDED_BY(mutex_);
};

}  // namespace pagoda
