#include "engine/sequence_state.h"

#include <algorithm>
#include <iterator>

namespace pagoda {

void BlockTable::give_back_before(int64_t number) {
  const int64_t count = std::clamp<int64_t>(number - first_, 0, num_held());
  held_.erase(held_.begin(), held_.begin() + count);
  first_ += count;
}

std::vector<BlockRef> BlockTable::take() {
  first_ = 0;
  return std::exchange(held_, {});
}

std::vector<BlockRef> SequenceState::take_blocks() {
  std::vector<BlockRef> all;
  for (BlockTable& table : tables) {
    std::vector<BlockRef> blocks = table.take();
    std::move(blocks.begin(), blocks.end(), std::back_inserter(all));
  }
  if (slot) all.push_back(std::move(*slot));
  slot.reset();
  return all;
}

}  // namespace pagoda
