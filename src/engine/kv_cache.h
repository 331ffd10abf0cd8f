// Memory of one rank for keys and values: blocks of all layers, as its device lays them out.
//
// Reserved at once; a device that can touches a block's memory only when the block is first used.
//
// Thread rule: the thread of its rank.
#pragma once

#include <cstdint>
#include <vector>

#include "models/model.h"
#include "tensor/buffer.h"
#include "tensor/device.h"

namespace pagoda {

class KvCache {
 public:
  KvCache(Device& device, const KvGeometry& geometry, DType dtype, int64_t block_size,
          int64_t num_blocks);

  const std::vector<KvLayer>& layers() const { return layers_; }

  // Of one block, in all layers.
  static int64_t block_bytes(const Device& device, const KvGeometry& geometry, DType dtype,
                             int64_t block_size);

 private:
  Buffer buffer_;
  std::vector<KvLayer> layers_;
};

// The same without memory, for measuring.
std::vector<KvLayer> kv_layers_without_memory(const Device& device, const KvGeometry& geometry,
                                              DType dtype, int64_t block_size);

}  // namespace pagoda
