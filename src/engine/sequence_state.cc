#include "engine/sequence_state.h"

#include <algorithm>

namespace pagoda {

void BlockTable::give_back_before(int64_t number) {
  const int64_t count = std::clamp<int64_t>(number - first_, 0, num_held());
  held_.erase(held_.begin(), held_.begin() + count);
  first_ += count;
}

void BlockTable::give_back_all() {
  while (!held_.empty()) held_.pop_back();
  first_ = 0;
}

bool SequenceState::holds_any() const {
  return slot || std::any_of(tables.begin(), tables.end(),
                             [](const BlockTable& table) { return table.num_held() > 0; });
}

void SequenceState::give_back_all() {
  for (BlockTable& table : tables) table.give_back_all();
  slot.reset();
}

}  // namespace pagoda
