#include "engine/kv_cache.h"

namespace pagoda {
namespace {

constexpr int64_t kPage = 4096;

KvShape shape_of(const KvGeometry& geometry, DType dtype) {
  return {.kv_heads = geometry.kv_heads,
          .key_dim = geometry.key_dim,
          .value_dim = geometry.value_dim,
          .dtype = dtype};
}

}  // namespace

KvCache::KvCache(Device& device, const KvGeometry& geometry, DType dtype, int64_t block_size,
                 int64_t num_blocks) {
  const KvShape shape = shape_of(geometry, dtype);
  const int64_t bytes = device.kv_block_bytes(shape, block_size);
  const int64_t layer_bytes = (num_blocks * bytes + kPage - 1) / kPage * kPage;
  buffer_ = device.allocate(geometry.layers * layer_bytes);
  for (int64_t layer = 0; layer < geometry.layers; ++layer) {
    void* data = static_cast<std::byte*>(buffer_.data()) + layer * layer_bytes;
    layers_.push_back({.blocks = make_view(data, {num_blocks, bytes}, DType::kU8),
                       .shape = shape,
                       .block_size = block_size});
  }
}

int64_t KvCache::block_bytes(const Device& device, const KvGeometry& geometry, DType dtype,
                             int64_t block_size) {
  return geometry.layers * device.kv_block_bytes(shape_of(geometry, dtype), block_size);
}

std::vector<KvLayer> kv_layers_without_memory(const Device& device, const KvGeometry& geometry,
                                              DType dtype, int64_t block_size) {
  const KvShape shape = shape_of(geometry, dtype);
  const KvLayer layer = {
      .blocks = make_view(nullptr, {1, device.kv_block_bytes(shape, block_size)}, DType::kU8),
      .shape = shape,
      .block_size = block_size};
  return std::vector<KvLayer>(static_cast<size_t>(geometry.layers), layer);
}

}  // namespace pagoda
