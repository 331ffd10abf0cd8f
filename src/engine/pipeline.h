// Steps between their launch and their collection, in order.
//
// A step is launched while the one before may still run: what there is to do for it is queued on
// the ranks' devices as soon as the tokens are known that it reads from there. A step is sampled
// when the next one is launched, or when it is collected, whichever comes first; so the sampler's
// history is always that of all steps before, and the tokens are the same however many steps are in
// flight.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/step_plan.h"
#include "engine/world.h"

namespace pagoda {

class Pipeline {
 public:
  // `depth`: steps in flight, at least 1.
  Pipeline(World& world, Sampler& sampler, int64_t depth);

  bool is_full() const { return num_in_flight_ == slots_.size(); }
  bool is_empty() const { return num_in_flight_ == 0; }

  // Where the next step is planned, empty, while this is not full.
  StepPlan& next();
  // What was planned there. Throws as World::launch().
  void launch();

  // Valid until the next call of next().
  struct Collected {
    const StepPlan& plan;
    std::span<ChunkResult> results;  // one a chunk
  };
  // Waits for the oldest step. Throws as World::collect().
  Collected collect();
  // Waits for all steps; nobody wants to know what came of them.
  void drain();

 private:
  struct Slot {
    StepPlan plan;
    std::vector<ChunkResult> results;
  };
  // The step launched last, unless that is done.
  void finish();
  void note_sampled(const Slot& slot);
  Slot& slot(size_t index) { return slots_[index % slots_.size()]; }

  World& world_;
  Sampler& sampler_;
  std::vector<Slot> slots_;  // in rotation
  size_t oldest_ = 0, num_in_flight_ = 0;
  bool is_running_ = false;       // the step launched last; those before are finished
  std::vector<TokenId> sampled_;  // by output of the step finished last; 0 where it chose nothing
};

}  // namespace pagoda
