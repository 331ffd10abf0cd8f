#include "engine/step_outputs.h"

#include "base/must.h"

namespace pagoda {

int64_t output_bytes(const OutputLimits& limits) {
  return limits.outputs * (limits.vocab + 1) * bytes_of(DType::kF32) + limits.hidden_bytes;
}

StepOutputs::StepOutputs(Device& device, const OutputLimits& limits, int64_t steps)
    : device_(device) {
  for (int64_t i = 0; i < steps; ++i) {
    slots_.push_back({.memory = device.allocate_host(output_bytes(limits))});
  }
}

void StepOutputs::add(const StepOutput& on_device) {
  MUST(added_ - taken_ < slots_.size());
  Slot& slot = slots_[added_++ % slots_.size()];
  int64_t used = 0;
  slot.output = {.logits = copy(on_device.logits, slot, used),
                 .chosen = copy(on_device.chosen, slot, used),
                 .hidden = copy(on_device.hidden, slot, used)};
  slot.fence = device_.fence();
}

Tensor StepOutputs::copy(Tensor on_device, Slot& slot, int64_t& used) {
  if (on_device.empty()) return on_device;
  Tensor host = on_device;
  host.data = static_cast<std::byte*>(slot.memory.data()) + used;
  used += host.bytes();
  MUST(used <= slot.memory.bytes());
  device_.download(host.data, on_device);
  return host;
}

StepOutput StepOutputs::next() {
  MUST(taken_ < added_);
  const Slot& slot = slots_[taken_++ % slots_.size()];
  device_.wait(slot.fence);
  return slot.output;
}

}  // namespace pagoda
