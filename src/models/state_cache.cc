#include "models/state_cache.h"

#include <algorithm>
#include <array>

namespace pagoda {
namespace {

constexpr int64_t kPage = 4096;

int64_t round_up_to_page(int64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

// [slots, ...] of a part [...].
Tensor in_slots(Tensor part, int64_t slots) {
  Tensor all = part;
  std::copy_n(part.shape.begin(), part.rank, all.shape.begin() + 1);
  all.shape[0] = slots;
  all.rank = static_cast<int8_t>(part.rank + 1);
  return all;
}

std::vector<Tensor> all_in_slots(const std::vector<Tensor>& parts, int64_t slots) {
  std::vector<Tensor> all;
  all.reserve(parts.size());
  for (const Tensor& part : parts) all.push_back(in_slots(part, slots));
  return all;
}

// Shapes only.
StateMemory shapes_of(const Device& device, const std::vector<LayerState>& layers,
                      const StateSize& size) {
  const StateGroups groups = groups_of(layers);
  StateMemory memory = {.paged = std::vector<KvLayer>(layers.size()),
                        .fixed = std::vector<std::vector<Tensor>>(layers.size()),
                        .group_of = groups.of_layer};
  for (size_t i = 0; i < layers.size(); ++i) {
    if (const auto* fixed = std::get_if<FixedState>(&layers[i])) {
      memory.fixed[i] = all_in_slots(fixed->parts, size.slots);
      continue;
    }
    const KvShape& shape = std::get<PagedState>(layers[i]).shape;
    const int64_t blocks = size.num_blocks[groups.of_layer[i]];
    const int64_t bytes = device.kv_block_bytes(shape, size.block_size);
    memory.paged[i] = {.blocks = make_view(nullptr, {blocks, bytes}, DType::kU8),
                       .shape = shape,
                       .block_size = size.block_size};
  }
  return memory;
}

// In order of layers.
std::vector<Tensor*> tensors_of(StateMemory& memory) {
  std::vector<Tensor*> tensors;
  for (size_t i = 0; i < memory.paged.size(); ++i) {
    if (!memory.paged[i].blocks.empty()) tensors.push_back(&memory.paged[i].blocks);
    for (Tensor& part : memory.fixed[i]) tensors.push_back(&part);
  }
  return tensors;
}

}  // namespace

StateCache::StateCache(Device& device, const std::vector<LayerState>& layers, const StateSize& size)
    : memory_(shapes_of(device, layers, size)) {
  const std::vector<Tensor*> tensors = tensors_of(memory_);
  int64_t bytes = 0;
  for (const Tensor* tensor : tensors) bytes += round_up_to_page(tensor->bytes());
  buffer_ = device.allocate(bytes);
  auto* next = static_cast<std::byte*>(buffer_.data());
  for (Tensor* tensor : tensors) {
    tensor->data = next;
    next += round_up_to_page(tensor->bytes());
  }
}

std::vector<int64_t> block_bytes_of(const Device& device, const std::vector<LayerState>& layers,
                                    int64_t block_size) {
  const StateGroups groups = groups_of(layers);
  std::vector<int64_t> bytes(groups.windows.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto* paged = std::get_if<PagedState>(&layers[i]);
    if (paged == nullptr) continue;
    bytes[groups.of_layer[i]] += device.kv_block_bytes(paged->shape, block_size);
  }
  return bytes;
}

int64_t slot_bytes_of(const std::vector<LayerState>& layers) {
  int64_t bytes = 0;
  for (const LayerState& layer : layers) {
    const auto* fixed = std::get_if<FixedState>(&layer);
    if (fixed == nullptr) continue;
    for (const Tensor& part : fixed->parts) bytes += part.bytes();
  }
  return bytes;
}

StateMemory state_without_memory(const Device& device, const std::vector<LayerState>& layers,
                                 int64_t block_size) {
  const size_t groups = groups_of(layers).windows.size();
  return shapes_of(
      device, layers,
      {.block_size = block_size, .num_blocks = std::vector<int64_t>(groups, 1), .slots = 1});
}

}  // namespace pagoda
