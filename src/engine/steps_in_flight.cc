#include "engine/steps_in_flight.h"

#include <utility>

#include "base/must.h"

namespace pagoda {

uint64_t StepsInFlight::collect() {
  MUST(!empty());
  ++collected_;
  std::erase_if(held_, [this](Held& held) {
    if (has(held.step)) return false;
    held.state.give_back_all();
    return true;
  });
  return collected_;
}

void StepsInFlight::abandon() {
  while (!empty()) collect();
}

void StepsInFlight::give_back(SequenceState state, uint64_t last) {
  if (has(last) && state.holds_any()) {
    held_.push_back({last, std::move(state)});
  } else {
    state.give_back_all();
  }
}

}  // namespace pagoda
