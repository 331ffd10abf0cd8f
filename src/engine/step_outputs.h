// What steps leave for the host: copied as each step ends, and read in their order.
//
// Thread rule: the thread of its rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/device.h"

namespace pagoda {

// Of one step, on its device or in host memory. Empty where nothing was asked for.
struct StepOutput {
  Tensor logits = {};  // f32 [outputs, vocab]
  Tensor chosen = {};  // i32 [outputs], instead of those: the most likely token of each
  Tensor hidden = {};  // [rows, hidden] of the activations' dtype
};

// The most that a step leaves.
struct OutputLimits {
  int64_t outputs, vocab;
  int64_t hidden_bytes;  // of all rows
};
// Of host memory, a step.
int64_t output_bytes(const OutputLimits& limits);

class StepOutputs {
 public:
  // `steps`: between add() and next().
  StepOutputs(Device& device, const OutputLimits& limits, int64_t steps);

  // Queues the copies behind what makes the output.
  void add(const StepOutput& on_device);
  // Waits for the oldest that was added. In host memory, valid until as many further ones are added
  // as there may be steps. Throws what failed on the device.
  StepOutput next();

 private:
  struct Slot {
    Buffer memory;
    StepOutput output = {};
    Fence fence = {};
  };
  Tensor copy(Tensor on_device, Slot& slot, int64_t& used);

  Device& device_;
  std::vector<Slot> slots_;  // in rotation
  size_t added_ = 0, taken_ = 0;
};

}  // namespace pagoda
