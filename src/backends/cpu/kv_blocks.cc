#include "backends/cpu/kv_blocks.h"

#include <algorithm>
#include <cstring>

namespace pagoda::cpu {
namespace {

constexpr int64_t kBlockAlignment = 64;  // a cache line

int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

// out[d * stride] = x[d]
template <class Bits>
void scatter(std::byte* out, const void* x, int64_t n, int64_t stride) {
  const auto* from = static_cast<const std::byte*>(x);
  for (int64_t d = 0; d < n; ++d) {
    std::memcpy(out + d * stride * int64_t{sizeof(Bits)}, from + d * int64_t{sizeof(Bits)},
                sizeof(Bits));
  }
}

void scatter(std::byte* out, const void* x, const KvBlockLayout& layout) {
  if (layout.number_bytes == 4) {
    scatter<uint32_t>(out, x, layout.key_dim, kKeyGroup);
  } else {
    scatter<uint16_t>(out, x, layout.key_dim, kKeyGroup);
  }
}

const std::byte* head_of(const SplitRequest& r, int64_t token) {
  const int64_t block = r.table[token / r.layout->block_size];
  return r.cache->blocks.as<std::byte>() + block * r.layout->block_bytes +
         r.kv_head * r.layout->head_bytes;
}

const void* find_group(const SplitRequest& r, int64_t group) {
  const KvBlockLayout& layout = *r.layout;
  const int64_t group_bytes = layout.key_dim * kKeyGroup * layout.number_bytes;
  const int64_t first = r.first + group * kKeyGroup;
  if (layout.keys_in_groups) {
    return head_of(r, first) + first % layout.block_size / kKeyGroup * group_bytes;
  }
  std::byte* keys = r.scratch + group * group_bytes;
  for (int64_t lane = 0; lane < kKeyGroup; ++lane) {
    const int64_t token = first + lane;
    if (token < r.begin || token >= r.end) continue;
    const std::byte* key =
        head_of(r, token) + token % layout.block_size * layout.key_stride * layout.number_bytes;
    scatter(keys + lane * layout.number_bytes, key, layout);
  }
  return keys;
}

}  // namespace

KvBlockLayout::KvBlockLayout(const KvShape& shape, int64_t tokens)
    : block_size(tokens),
      key_dim(shape.key_dim),
      value_dim(shape.value_dim),
      padded_value_dim(round_up(shape.value_dim, kValueAlignment)),
      number_bytes(bytes_of(shape.dtype)),
      key_stride(values_in_keys() ? round_up(key_dim, kValueAlignment) : key_dim),
      value_stride(values_in_keys() ? key_stride : padded_value_dim),
      keys_in_groups(tokens % kKeyGroup == 0 && !values_in_keys()),
      head_bytes(tokens * (key_stride + padded_value_dim) * number_bytes),
      block_bytes(round_up(shape.kv_heads * head_bytes, kBlockAlignment)) {}

void write_token(std::byte* head, const KvBlockLayout& layout, int64_t offset, const void* key,
                 const void* value) {
  const int64_t key_bytes = layout.key_dim * layout.number_bytes;
  if (layout.keys_in_groups) {
    std::byte* group = head + offset / kKeyGroup * kKeyGroup * key_bytes;
    scatter(group + offset % kKeyGroup * layout.number_bytes, key, layout);
  } else {
    std::memcpy(head + offset * layout.key_stride * layout.number_bytes, key,
                static_cast<size_t>(key_bytes));
  }
  if (layout.values_in_keys()) return;
  std::memcpy(head + layout.values_offset() + offset * layout.value_stride * layout.number_bytes,
              value, static_cast<size_t>(layout.value_dim * layout.number_bytes));
}

SplitPointers find_split(const SplitRequest& r) {
  SplitPointers found = {};
  for (int64_t group = (r.begin - r.first) / kKeyGroup; r.first + group * kKeyGroup < r.end;
       ++group) {
    found.key_groups[group] = find_group(r, group);
  }
  // Block by block: a division a token would cost more than the token's arithmetic.
  const KvBlockLayout& layout = *r.layout;
  const int64_t value_bytes = layout.value_stride * layout.number_bytes;
  for (int64_t token = r.begin; token < r.end;) {
    const int64_t offset = token % layout.block_size;
    const int64_t end = std::min(r.end, token + layout.block_size - offset);
    const std::byte* value = head_of(r, token) + layout.values_offset() + offset * value_bytes;
    for (; token < end; ++token, value += value_bytes) found.values[token - r.first] = value;
  }
  return found;
}

}  // namespace pagoda::cpu
