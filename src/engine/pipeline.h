// Steps between their launch and their collection, in order.
//
// A step is launched while those before may still run. Where the step right before is greedy, the
// tokens that it chooses are read on the device, and nothing waits for them; else they are to be
// known first. A step is sampled when it is collected, or when the next one must know its tokens,
// whichever comes first; so the sampler's history is always that of all steps before, and the
// tokens are the same however many steps are in flight.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/step_plan.h"
#include "engine/step_runner.h"

namespace pagoda {

class Pipeline {
 public:
  // `depth`: steps in flight, at least 1.
  Pipeline(StepRunner& runner, Sampler& sampler, int64_t depth);

  bool is_full() const { return num_in_flight_ == slots_.size(); }
  bool is_empty() const { return num_in_flight_ == 0; }

  // Where the next step is planned, empty, while this is not full.
  StepPlan& next();
  // What was planned there. Throws as StepRunner::launch().
  void launch();

  // Valid until the next call of next().
  struct Collected {
    const StepPlan& plan;
    std::span<ChunkResult> results;  // one a chunk
  };
  // Waits for the oldest step. Throws as StepRunner::collect().
  Collected collect();
  // Waits for all steps; nobody wants to know what came of them.
  void drain();

 private:
  struct Slot {
    StepPlan plan;
    std::vector<ChunkResult> results;
  };
  // The oldest step that is not sampled.
  void sample_oldest();
  void note_sampled(const Slot& slot);
  Slot& slot(size_t index) { return slots_[index % slots_.size()]; }

  StepRunner& runner_;
  Sampler& sampler_;
  std::vector<Slot> slots_;  // in rotation
  size_t oldest_ = 0, num_in_flight_ = 0;
  size_t num_running_ = 0;        // of those in flight the last so many are not sampled
  std::vector<TokenId> sampled_;  // by output of the step sampled last; 0 where it chose nothing
};

}  // namespace pagoda
