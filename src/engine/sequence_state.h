// What one sequence holds of the state of a model's layers: blocks in every group of layers, and a
// slot where layers keep a state of fixed size.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/block_pool.h"

namespace pagoda {

// Blocks for one group of layers, in order of the sequence's tokens.
class BlockTable {
 public:
  BlockTable() = default;
  // Blocks `first`, first + 1, ...; no token to come sees those before.
  BlockTable(int64_t first, std::vector<BlockRef> blocks)
      : first_(first), held_(std::move(blocks)) {}

  int64_t first() const { return first_; }
  int64_t end() const { return first_ + num_held(); }
  int64_t num_held() const { return static_cast<int64_t>(held_.size()); }
  // A block that is held, by its place in the sequence.
  BlockId operator[](int64_t number) const {
    return held_[static_cast<size_t>(number - first_)].id();
  }

  void reserve(int64_t blocks) { held_.reserve(static_cast<size_t>(blocks)); }
  void add(BlockRef block) { held_.push_back(std::move(block)); }
  // Those before `number`.
  void give_back_before(int64_t number);
  // All, the last first, so that the beginning of a prompt is the last to be reused.
  void give_back_all();

 private:
  int64_t first_ = 0;
  std::vector<BlockRef> held_;
};

struct SequenceState {
  std::vector<BlockTable> tables = {};  // one a group
  std::optional<BlockRef> slot = {};    // none: no layer keeps a state of fixed size

  bool holds_any() const;
  // Of every group, and the slot.
  void give_back_all();
};

}  // namespace pagoda
