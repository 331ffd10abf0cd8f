// Memory of one rank for what the layers of its model keep between steps: blocks of keys and
// values, as its device lays them out, and slots of those whose state is of a fixed size.
//
// Reserved at once; a device that can touches a block's memory only when the block is first used.
//
// Thread rule: the thread of its rank.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/layer_state.h"
#include "tensor/buffer.h"
#include "tensor/device.h"

namespace pagoda {

struct StateSize {
  int64_t block_size;               // tokens
  std::vector<int64_t> num_blocks;  // of each group of layers
  int64_t slots;                    // sequences whose fixed state is kept
};

class StateCache {
 public:
  StateCache(Device& device, const std::vector<LayerState>& layers, const StateSize& size);

  const StateMemory& memory() const { return memory_; }

 private:
  StateMemory memory_;
  Buffer buffer_;
};

// Of one block of each group, in all of its layers.
std::vector<int64_t> block_bytes_of(const Device& device, const std::vector<LayerState>& layers,
                                    int64_t block_size);
// Of one slot, in all layers.
int64_t slot_bytes_of(const std::vector<LayerState>& layers);

// One block a layer and one slot, without memory, for measuring.
StateMemory state_without_memory(const Device& device, const std::vector<LayerState>& layers,
                                 int64_t block_size);

}  // namespace pagoda
