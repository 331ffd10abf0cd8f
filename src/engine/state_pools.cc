#include "engine/state_pools.h"

#include <algorithm>
#include <utility>

#include "base/must.h"

namespace pagoda {

StatePools::StatePools(const StateLimits& limits) {
  for (const GroupSize& size : limits.groups) {
    groups_.push_back(std::make_unique<Group>(size, limits.block_size));
  }
  if (limits.slots > 0) slots_ = std::make_unique<BlockPool>(limits.slots);
}

int64_t StatePools::num_used() const {
  int64_t used = 0;
  for (const auto& group : groups_) used += group->pool.num_used();
  return used;
}

size_t StatePools::fullest() const {
  size_t fullest = 0;
  for (size_t i = 1; i < groups_.size(); ++i) {
    if (usage_of(i) > usage_of(fullest)) fullest = i;
  }
  return fullest;
}

double StatePools::usage_of(size_t group) const {
  const BlockPool& pool = groups_[group]->pool;
  return static_cast<double>(pool.num_used()) /
         static_cast<double>(std::max<int64_t>(1, pool.num_blocks()));
}

void StatePools::reserve(SequenceState& state, int64_t tokens, int64_t step) const {
  state.tables.resize(groups_.size());
  for (size_t i = 0; i < groups_.size(); ++i) {
    state.tables[i].reserve(groups_[i]->span.most_held(tokens, step));
  }
}

bool StatePools::extend(SequenceState& state, int64_t end) {
  if (slots_ != nullptr && !state.slot) {
    state.slot = slots_->take();
    MUST(state.slot);
  }
  state.tables.resize(groups_.size());
  for (size_t i = 0; i < groups_.size(); ++i) {
    while (state.tables[i].end() < groups_[i]->span.blocks_for(end)) {
      std::optional<BlockRef> block = groups_[i]->pool.take();
      if (!block) return false;
      state.tables[i].add(std::move(*block));
    }
  }
  return true;
}

int64_t StatePools::room(const SequenceState& state) const {
  int64_t room = INT64_MAX;
  for (size_t i = 0; i < groups_.size(); ++i) {
    room = std::min(room, state.tables[i].end() * groups_[i]->span.block_size);
  }
  return room;
}

void StatePools::give_back_unseen(SequenceState& state, int64_t position) {
  for (size_t i = 0; i < state.tables.size(); ++i) {
    state.tables[i].give_back_before(groups_[i]->span.first_seen(position));
  }
}

// Each group in turn shortens what the others can, until all can.
int64_t StatePools::longest_prefix(std::span<const BlockHash> hashes) {
  if (groups_.empty() || slots_ != nullptr) return 0;
  auto blocks = static_cast<int64_t>(hashes.size());
  size_t agreed = 0;
  for (size_t i = 0; agreed < groups_.size(); i = (i + 1) % groups_.size()) {
    const int64_t mine = groups_[i]->longest_prefix(hashes.first(static_cast<size_t>(blocks)));
    agreed = mine == blocks ? agreed + 1 : 1;
    blocks = mine;
  }
  return blocks;
}

int64_t StatePools::Group::longest_prefix(std::span<const BlockHash> hashes) {
  auto blocks = static_cast<int64_t>(hashes.size());
  if (span.window == 0) {
    const auto missing = std::find_if(hashes.begin(), hashes.end(),
                                      [&](const BlockHash& hash) { return !cache.knows(hash); });
    return missing - hashes.begin();
  }
  // Backwards: where a block is missing, only prefixes that end before it are left.
  for (int64_t i = blocks - 1; i >= span.first_seen(blocks * span.block_size); --i) {
    if (!cache.knows(hashes[static_cast<size_t>(i)])) blocks = i;
  }
  return blocks;
}

SequenceState StatePools::share(std::span<const BlockHash> prefix) {
  SequenceState state;
  const auto blocks = static_cast<int64_t>(prefix.size());
  for (const auto& group : groups_) {
    const int64_t first = group->span.first_seen(blocks * group->span.block_size);
    std::vector<BlockRef> shared;
    for (int64_t i = first; i < blocks; ++i) {
      std::optional<BlockRef> block = group->cache.find(prefix[static_cast<size_t>(i)]);
      MUST(block);
      shared.push_back(std::move(*block));
    }
    state.tables.emplace_back(first, std::move(shared));
  }
  return state;
}

void StatePools::note(const SequenceState& state, int64_t number, const BlockHash& hash) {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const BlockTable& table = state.tables[i];
    if (number >= table.first() && number < table.end()) {
      groups_[i]->cache.insert(hash, table[number]);
    }
  }
}

void StatePools::forget_all() {
  for (const auto& group : groups_) group->cache.clear();
}

}  // namespace pagoda
