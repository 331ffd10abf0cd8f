// A generation that runs in the engine: begun here, and told what happens to its sequences for as
// long as this lives.
//
// Thread rule: its I/O thread.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <vector>

#include "api/answers/generation.h"
#include "api/transport/bell.h"
#include "api/transport/client_stream.h"
#include "api/transport/event_hub.h"
#include "api/transport/io_thread.h"

namespace pagoda {

struct SubscriptionParts {
  IoThread& thread;  // the one that serves the client
  EventHub& hub;
  Bell& bell;            // rung when the generation has changed
  ClientStream& client;  // hung up on where too much waits for it
  const std::string& peer;
  size_t max_unsent_bytes;
};

class Subscription final : public EventListener {
 public:
  // Throws what keeps it from beginning, std::bad_alloc for one.
  Subscription(Generation& generation, const SubscriptionParts& parts);
  ~Subscription() override;
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  void on_event(int choice, Event event) override;
  void on_batch_end() override;
  void on_failure(const std::exception& cause) noexcept override;

 private:
  void begin();
  void leave();

  Generation& generation_;
  const SubscriptionParts parts_;
  std::vector<RequestId> ids_;
};

}  // namespace pagoda
