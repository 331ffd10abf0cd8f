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

// A square of numbers in vectors of 16 bytes. Zipping the first half of the rows with the second
// turns it after log2(rows) rounds.
template <class Bits>
struct Square {
  static constexpr int kRows = 16 / sizeof(Bits);
  typedef Bits Row __attribute__((vector_size(16)));

  static Row zip_low(Row a, Row b) {
    if constexpr (kRows == 8) return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    if constexpr (kRows == 4) return __builtin_shufflevector(a, b, 0, 4, 1, 5);
  }
  static Row zip_high(Row a, Row b) {
    if constexpr (kRows == 8) return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    if constexpr (kRows == 4) return __builtin_shufflevector(a, b, 2, 6, 3, 7);
  }
  // out[j * stride + i] = rows[i][offset + j], all in bytes but i and j.
  static void turn(std::byte* out, const std::byte* const* rows, int64_t offset, int64_t stride) {
    Row now[kRows], next[kRows];
    for (int i = 0; i < kRows; ++i) std::memcpy(now + i, rows[i] + offset, sizeof(Row));
    for (int step = 1; step < kRows; step *= 2) {
      for (int i = 0; i < kRows / 2; ++i) {
        next[2 * i] = zip_low(now[i], now[i + kRows / 2]);
        next[2 * i + 1] = zip_high(now[i], now[i + kRows / 2]);
      }
      std::copy(next, next + kRows, now);
    }
    for (int j = 0; j < kRows; ++j) std::memcpy(out + j * stride, now + j, sizeof(Row));
  }
};

// Keys [kKeyGroup] of key_dim numbers each -> [key_dim][kKeyGroup].
template <class Bits>
void turn_keys(std::byte* out, const std::byte* const* keys, int64_t key_dim) {
  constexpr int64_t kSize = sizeof(Bits), kRows = Square<Bits>::kRows, kStride = kKeyGroup * kSize;
  const int64_t whole = key_dim / kRows * kRows;
  for (int64_t d = 0; d < whole; d += kRows) {
    for (int64_t key = 0; key < kKeyGroup; key += kRows) {
      Square<Bits>::turn(out + d * kStride + key * kSize, keys + key, d * kSize, kStride);
    }
  }
  for (int64_t key = 0; key < kKeyGroup; ++key) {
    scatter<Bits>(out + whole * kStride + key * kSize, keys[key] + whole * kSize, key_dim - whole,
                  kKeyGroup);
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
  const std::byte* keys[kKeyGroup];
  for (int64_t lane = 0; lane < kKeyGroup; ++lane) {
    // Keys that no row sees may be anything: not even their block may exist.
    const int64_t token = std::clamp(first + lane, r.begin, r.end - 1);
    keys[lane] =
        head_of(r, token) + token % layout.block_size * layout.key_stride * layout.number_bytes;
  }
  std::byte* turned = r.scratch + group * group_bytes;
  if (layout.number_bytes == 4) {
    turn_keys<uint32_t>(turned, keys, layout.key_dim);
  } else {
    turn_keys<uint16_t>(turned, keys, layout.key_dim);
  }
  return turned;
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

ConvertedKv::ConvertedKv(Carver& carver, Tensor keys, Tensor values, DType dtype)
    : k(keys), v(values) {
  for (Tensor* one : {&k, &v}) {
    one->dtype = dtype;
    one->data = carver.take<std::byte>(one->bytes());
  }
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
