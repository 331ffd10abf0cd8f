// What runs steps, as a pipeline sees it.
#pragma once

#include <span>

#include "base/ids.h"
#include "engine/step_outputs.h"
#include "engine/step_plan.h"

namespace pagoda {

// Thread rule: engine thread only.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  // Begins the plan; on a device that queues work it may still run when this returns. `sampled`: by
  // output of the step before, what it chose; empty where that step was greedy: then the device
  // knows.
  virtual void launch(const StepPlan& plan, std::span<const TokenId> sampled) = 0;
  // Waits for the oldest step that is launched and not collected. In host memory, valid until as
  // many further ones are launched as may be in flight.
  virtual StepOutput collect() = 0;
};

}  // namespace pagoda
