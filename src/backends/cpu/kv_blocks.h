// What the bytes of a KV block mean on the CPU. For each KV head of a block:
//
//   keys    [block_size / 16][key_dim][16]: a lane of a vector is a key; where 16 does not divide
//           block_size, [block_size][key_dim]
//   values  [block_size][value_dim rounded up to 16]
//
// Where values are part of the keys (value_dim 0, MLA): [block_size][key_dim rounded up to 16] and
// nothing else. Values are read where they are; groups of keys are turned once for all the rows
// of a tile, which are many: all heads share them.
//
// Thread rule: pure functions; different slots may be written at once.
#pragma once

#include <cstddef>

#include "backends/cpu/kernels.h"
#include "backends/cpu/scratch.h"
#include "tensor/ops.h"

namespace pagoda::cpu {

struct KvBlockLayout {
  KvBlockLayout(const KvShape& shape, int64_t block_size);

  int64_t block_size, key_dim, value_dim, padded_value_dim, number_bytes;
  int64_t key_stride;    // numbers from one key to the next, where they are not in groups
  int64_t value_stride;  // from one value to the next
  bool keys_in_groups;
  int64_t head_bytes;   // keys and values of one KV head
  int64_t block_bytes;  // of all heads

  bool values_in_keys() const { return value_dim == 0; }
  int64_t values_offset() const {
    return values_in_keys() ? 0 : block_size * key_dim * number_bytes;
  }
};

// One token of one KV head, already in the cache's dtype.
void write_token(std::byte* head, const KvBlockLayout& layout, int64_t offset, const void* key,
                 const void* value);

// Keys and values on their way into a cache of another dtype.
struct ConvertedKv {
  ConvertedKv(Carver& carver, Tensor keys, Tensor values, DType dtype);
  Tensor k, v;  // of that dtype, not written yet
};

// Where the keys and values of one split of a sequence are, as SplitAttention wants them.
struct SplitPointers {
  const void* key_groups[kSplitKeys / kKeyGroup];
  const void* values[kSplitKeys];
};

// Tokens [begin, end) of the sequence whose blocks are `table`, all in the split that starts at
// `first`. `scratch` holds kSplitKeys keys and is used where the cache does not keep them in
// groups.
struct SplitRequest {
  const KvLayer* cache;
  const KvBlockLayout* layout;
  const int32_t* table;
  int64_t kv_head, first, begin, end;
  std::byte* scratch;
};
SplitPointers find_split(const SplitRequest& request);

}  // namespace pagoda::cpu
