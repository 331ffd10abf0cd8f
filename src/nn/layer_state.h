// What a layer keeps of a sequence from one step to the next: what kind a model's layers have, and
// where it lies in the memory of one rank.
//
// Layers that look back equally far are a group: they share block tables, so that blocks of layers
// with a window can be given back while those of others are still needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "tensor/ops.h"

namespace pagoda {

// Keys and values of each token, in blocks.
struct PagedState {
  KvShape shape;
  int64_t window = 0;  // a token sees itself and the window - 1 before it; 0: all before it
};

// As much for every sequence however long it is, as linear attention and Mamba have it. Zeros
// before the first token: whoever runs a step clears the slots of sequences that begin in it, so a
// layer only reads and writes.
struct FixedState {
  std::vector<Tensor> parts;  // of one sequence: shapes of at most three dimensions, no memory
};

using LayerState = std::variant<PagedState, FixedState>;

struct StateGroups {
  std::vector<int64_t> windows;  // one a group, in order of their first layers
  std::vector<size_t> of_layer;  // its group; 0 where the layer's state is fixed, and means nothing
};
StateGroups groups_of(const std::vector<LayerState>& layers);

// One entry a layer; empty where the layer has the other kind. Views of what its owner keeps.
struct StateMemory {
  std::vector<KvLayer> paged;
  std::vector<std::vector<Tensor>> fixed;  // parts [slots, ...]
  std::vector<size_t> group_of;            // group of each layer, which its batches go by
};

}  // namespace pagoda
