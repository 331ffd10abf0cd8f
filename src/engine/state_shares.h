// How the memory for state is dealt over the groups of layers.
//
// The group that looks back farthest gets n blocks; one with a narrower window as many, but no more
// than its windows can hold in all sequences together. So a model without windows has n blocks in
// every layer, and one with windows has more tokens in the same memory.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <vector>

namespace pagoda {

// What layers keep on one rank, and what it takes.
struct StateNeed {
  struct Group {
    int64_t window;       // 0: all tokens
    int64_t block_bytes;  // of one block, in all layers of the group
  };
  int64_t block_size = 16;  // tokens of a block, as the device has them
  std::vector<Group> groups = {};
  int64_t slot_bytes = 0;  // of one sequence, where layers keep a state of fixed size

  int64_t block_bytes() const;  // of one block in every group
  // For ranks whose shares differ by padding: the neediest decides for all.
  void raise_to(const StateNeed& other);
};

class StateShares {
 public:
  // A step computes at most step_tokens.
  StateShares(const StateNeed& need, int64_t step_tokens)
      : need_(need), block_size_(need.block_size), step_tokens_(step_tokens) {}

  // Blocks of each group where the farthest-seeing has n and so many sequences run.
  std::vector<int64_t> dealt(int64_t n, int64_t sequences) const;
  int64_t bytes(const std::vector<int64_t>& blocks) const;
  // The largest n for which all groups fit into `bytes`.
  int64_t largest(int64_t bytes, int64_t sequences) const;
  // The longest request that n blocks have room for.
  int64_t longest(int64_t n) const;
  // The n that so many sequences of `tokens` can use.
  int64_t useful(int64_t tokens, int64_t sequences) const;

 private:
  int64_t blocks_for(int64_t tokens) const { return (tokens + block_size_ - 1) / block_size_; }
  int64_t farthest_window() const;  // 0: all tokens
  // The most that windows of sequences hold together.
  int64_t most_held(int64_t window, int64_t sequences) const;

  const StateNeed need_;
  const int64_t block_size_, step_tokens_;
};

}  // namespace pagoda
