#include "engine/steps_in_flight.h"

#include <utility>

#include "base/must.h"

namespace pagoda {
namespace {

void drop(std::vector<BlockRef>& blocks) {
  while (!blocks.empty()) blocks.pop_back();
}

}  // namespace

uint64_t StepsInFlight::collect() {
  MUST(!empty());
  ++collected_;
  std::erase_if(held_, [this](Held& held) {
    if (has(held.step)) return false;
    drop(held.blocks);
    return true;
  });
  return collected_;
}

void StepsInFlight::abandon() {
  while (!empty()) collect();
}

void StepsInFlight::give_back(std::vector<BlockRef> blocks, uint64_t last) {
  if (has(last) && !blocks.empty()) {
    held_.push_back({last, std::move(blocks)});
  } else {
    drop(blocks);
  }
}

}  // namespace pagoda
