#include "api/transport/subscription.h"

#include <stdexcept>
#include <utility>

#include "base/log.h"

namespace pagoda {

Subscription::Subscription(Generation& generation, const SubscriptionParts& parts)
    : generation_(generation), parts_(parts) {
  try {
    begin();
  } catch (const std::exception&) {
    leave();
    throw;
  }
}

Subscription::~Subscription() {
  leave();
}

void Subscription::begin() {
  std::vector<Request> requests = generation_.take_requests();
  ids_.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    ids_.push_back(requests[i].id);
    parts_.thread.add(requests[i].id, *this, static_cast<int>(i));
    parts_.hub.add(requests[i].id, parts_.thread);
  }
  EngineClient& engine = generation_.engine();
  for (Request& request : requests) engine.submit(std::move(request));
  // An engine that died before it took these told only those that were there by then.
  if (!engine.is_alive()) {
    on_failure(std::runtime_error("the engine has failed; see the server's log"));
  }
}

void Subscription::leave() {
  for (const RequestId id : ids_) {
    parts_.hub.remove(id);
    parts_.thread.remove(id);
  }
}

void Subscription::on_event(int choice, Event event) {
  generation_.on_event(choice, std::move(event));
}

void Subscription::on_batch_end() {
  if (generation_.unsent().size() > parts_.max_unsent_bytes) {
    LOG_WARNING("{}: gave up a stream: its client does not read", parts_.peer);
    parts_.client.hang_up();
  }
  parts_.bell.ring();
}

void Subscription::on_failure(const std::exception& cause) noexcept {
  try {
    generation_.fail(failure_of(cause));
  } catch (const std::exception&) {
    parts_.client.hang_up();  // no memory for words
  }
  parts_.bell.ring();
}

}  // namespace pagoda
