// Who has which blocks and slots: a pool for each group of layers (nn/layer_state.h), what is known
// of the content of its blocks, and the slots of states of fixed size.
//
// A prefix may be taken up where every group can: a group that sees all tokens needs all of its
// blocks, one with a window those that the next token sees, and a state of fixed size a snapshot at
// just that place. None is taken yet, so a model with such layers takes up nothing: it computes
// from the first token on, after a preemption too.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/block_pool.h"
#include "engine/prefix_cache.h"
#include "engine/sequence_state.h"
#include "engine/state_span.h"

namespace pagoda {

struct GroupSize {
  int64_t window;  // 0: all tokens
  int64_t num_blocks;
};

struct StateLimits {
  std::vector<GroupSize> groups;
  int64_t block_size;
  int64_t slots = 0;  // sequences at once whose state of fixed size is kept; 0: there is none
};

class StatePools {
 public:
  explicit StatePools(const StateLimits& limits);

  size_t num_groups() const { return groups_.size(); }
  int64_t num_free(size_t group) const { return groups_[group]->pool.num_free(); }
  int64_t num_blocks(size_t group) const { return groups_[group]->pool.num_blocks(); }
  const StateSpan& span(size_t group) const { return groups_[group]->span; }
  int64_t num_used() const;  // blocks, in all groups
  // The group that blocks run out of first, and how much of it is used: 0 to 1.
  size_t fullest() const;
  double usage() const { return groups_.empty() ? 0 : usage_of(fullest()); }
  // For so many sequences that have none yet.
  bool has_slots_for(int64_t sequences) const {
    return slots_ == nullptr || slots_->num_free() >= sequences;
  }

  // Memory for the tables of a sequence of `tokens`, computed at most `step` at a time.
  void reserve(SequenceState& state, int64_t tokens, int64_t step) const;
  // Takes a slot, which has_slots_for() has said there is, and blocks for the tokens before `end`.
  // False: some blocks are missing yet, and one of the pools is exhausted, which is normal under
  // load.
  [[nodiscard]] bool extend(SequenceState& state, int64_t end);
  // Tokens that it has blocks for.
  int64_t room(const SequenceState& state) const;
  // Blocks that no token from `position` on sees.
  void give_back_unseen(SequenceState& state, int64_t position);

  // How many of these blocks need not be computed: the most that every group can take up.
  int64_t longest_prefix(std::span<const BlockHash> hashes);
  // Shares the blocks of such a prefix.
  SequenceState share(std::span<const BlockHash> prefix);
  // Block `number` of the sequence is complete, in every group that still holds it.
  void note(const SequenceState& state, int64_t number, const BlockHash& hash);
  void forget_all();

 private:
  struct Group {
    Group(const GroupSize& size, int64_t block_size)
        : span{size.window, block_size}, pool(size.num_blocks), cache(pool) {}
    int64_t longest_prefix(std::span<const BlockHash> hashes);

    const StateSpan span;
    BlockPool pool;
    PrefixCache cache;
  };

  double usage_of(size_t group) const;

  std::vector<std::unique_ptr<Group>> groups_;  // pools are referred to
  std::unique_ptr<BlockPool> slots_;            // null: no state of fixed size
};

}  // namespace pagoda
