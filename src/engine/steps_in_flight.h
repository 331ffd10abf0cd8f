// Which steps are launched and not yet collected, and the blocks that must stay until they are.
//
// Steps are numbered from 1, in the order in which they are launched and collected. Blocks of a
// sequence that has ended, or has given them up, go back to their pool when the last step that
// reads or writes them is collected.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/sequence_state.h"

namespace pagoda {

class StepsInFlight {
 public:
  // Its number.
  uint64_t launch() { return ++launched_; }
  // The oldest; its number.
  uint64_t collect();
  // None of them will be collected.
  void abandon();

  bool empty() const { return launched_ == collected_; }
  // The number of the one launched last; 0: there was none yet.
  uint64_t latest() const { return launched_; }
  bool has(uint64_t step) const { return step > collected_; }

  // Of who was last in step `last` (0: in none): at once, or with that step.
  void give_back(SequenceState state, uint64_t last);
  bool holds_blocks() const { return !held_.empty(); }

 private:
  struct Held {
    uint64_t step;
    SequenceState state;
  };
  uint64_t launched_ = 0, collected_ = 0;
  std::vector<Held> held_;
};

}  // namespace pagoda
