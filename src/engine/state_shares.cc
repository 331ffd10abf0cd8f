#include "engine/state_shares.h"

#include <algorithm>

#include "base/must.h"

namespace pagoda {
namespace {

constexpr int64_t kMostSlots = INT32_MAX;  // tokens of the cache are counted in i32

}  // namespace

int64_t StateNeed::block_bytes() const {
  int64_t bytes = 0;
  for (const Group& group : groups) bytes += group.block_bytes;
  return bytes;
}

void StateNeed::raise_to(const StateNeed& other) {
  block_size = other.block_size;
  if (groups.empty()) groups = other.groups;
  MUST(groups.size() == other.groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].block_bytes = std::max(groups[i].block_bytes, other.groups[i].block_bytes);
  }
  slot_bytes = std::max(slot_bytes, other.slot_bytes);
}

int64_t StateShares::farthest_window() const {
  int64_t widest = 1;
  for (const StateNeed::Group& group : need_.groups) {
    if (group.window == 0) return 0;
    widest = std::max(widest, group.window);
  }
  return widest;
}

// A sequence holds blocks of its part of the step and of the window - 1 tokens before it: n tokens
// lie in at most blocks_for(n - 1) + 1 blocks, and the parts make up one step.
int64_t StateShares::most_held(int64_t window, int64_t sequences) const {
  return sequences * (blocks_for(window - 1) + 2) + step_tokens_ / block_size_;
}

std::vector<int64_t> StateShares::dealt(int64_t n, int64_t sequences) const {
  std::vector<int64_t> blocks;
  for (const StateNeed::Group& group : need_.groups) {
    const bool is_farthest = group.window == farthest_window();
    blocks.push_back(is_farthest ? n : std::min(n, most_held(group.window, sequences)));
  }
  return blocks;
}

int64_t StateShares::bytes(const std::vector<int64_t>& blocks) const {
  int64_t bytes = 0;
  for (size_t i = 0; i < blocks.size(); ++i) bytes += blocks[i] * need_.groups[i].block_bytes;
  return bytes;
}

int64_t StateShares::largest(int64_t bytes, int64_t sequences) const {
  int64_t fits = 0, too_many = kMostSlots / block_size_ + 1;
  while (too_many - fits > 1) {
    const int64_t n = fits + (too_many - fits) / 2;
    (this->bytes(dealt(n, sequences)) <= bytes ? fits : too_many) = n;
  }
  return fits;
}

int64_t StateShares::longest(int64_t n) const {
  const bool is_any = farthest_window() > 0 && n >= most_held(farthest_window(), 1);
  return is_any ? kMostSlots : n * block_size_;
}

int64_t StateShares::useful(int64_t tokens, int64_t sequences) const {
  const int64_t all = sequences * blocks_for(tokens);
  return farthest_window() == 0 ? all : std::min(all, most_held(farthest_window(), sequences));
}

}  // namespace pagoda
