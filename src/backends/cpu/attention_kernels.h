// Softmax attention of some query rows over one split of keys (FlashAttention, arXiv:2205.14135,
// with splits at absolute positions).
//
//   s = q k^T;  max, sum, out = max(s), sum(e^(s - max)), sum(e^(s - max) v)        over visible
//   keys
//
// Lanes are keys in the scores and value dimensions in the output, so each score is one chain over
// key_dim and each output one chain over the visible keys, in order: the bits of a row do not
// depend on the other rows. A row never touches a key that it does not see, not even with weight 0:
// that could be NaN. Few rows are bound by memory, many by the multiply-add units; rows go through
// in tiles that keep their sums in registers. Measure: bench/attention.
#pragma once

#include "backends/cpu/elementwise_kernels.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/tile.h"

namespace pagoda::cpu {
namespace {

constexpr int kGroupVectors = kKeyGroup / kLanes;
// Few rows score several groups of keys at once: enough chains to hide the latency of one.
constexpr int kMostGroups = 4;
constexpr int kMostValueVectors = 8;  // a head of 128 in one pass with AVX-512

// The part of a tile's keys that every row sees, and the part that any row sees.
struct KeyRange {
  int32_t common_begin, common_end, begin, end;
};

inline KeyRange key_range(const SplitAttention& s, int64_t first, int64_t rows) {
  KeyRange range = {0, kSplitKeys, kSplitKeys, 0};
  for (int64_t r = first; r < first + rows; ++r) {
    if (s.begin[r] > range.common_begin) range.common_begin = s.begin[r];
    if (s.end[r] < range.common_end) range.common_end = s.end[r];
    if (s.begin[r] == s.end[r]) continue;
    if (s.begin[r] < range.begin) range.begin = s.begin[r];
    if (s.end[r] > range.end) range.end = s.end[r];
  }
  if (range.common_end < range.common_begin) range.common_end = range.common_begin;
  return range;
}

// Memory is read a group of keys, and some values, ahead of the arithmetic: each lies in a page of
// its own, where the processor's own prefetcher starts anew.
constexpr int64_t kValuesAhead = 64;
template <class T>
constexpr int kVectorsOfLine = kLanes * sizeof(T) < 64 ? 64 / (kLanes * sizeof(T)) : 1;

// scores[r, group's keys] for kRows rows and kGroups neighboring groups.
template <class T, int kRows, int kGroups>
inline void score_groups(const SplitAttention& s, int64_t first, int64_t group, int64_t behind) {
  constexpr int kVectors = kGroups * kGroupVectors;
  Tile<kRows, kVectors> sums = {};
  const float* q = s.queries + first * s.key_dim;
  const T *keys[kGroups], *ahead[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    keys[g] = static_cast<const T*>(s.key_groups[group + g]);
    const int64_t next = group + kGroups + g;
    ahead[g] = next < behind ? static_cast<const T*>(s.key_groups[next]) : keys[g];
  }
  for (int64_t d = 0; d < s.key_dim * kKeyGroup; d += kKeyGroup, q += kRows) {
    for (int g = 0; g < kGroups; ++g) __builtin_prefetch(ahead[g] + d);
    const auto key = [&](int v) {
      return load(keys[v / kGroupVectors] + d + v % kGroupVectors * kLanes);
    };
    multiply_add(sums, key, q);
  }
  store_tile(s.scores + first * kSplitKeys + group * kKeyGroup, sums, kSplitKeys);
}

// Scores of visible keys become e^(score - max), the others of their vectors 0.
inline void softmax_row(const SplitAttention& s, int64_t row) {
  float* scores = s.scores + row * kSplitKeys;
  const int32_t begin = s.begin[row], end = s.end[row];
  VInt lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  const V lowest = splat(-__builtin_inff());
  V max = lowest;
  const int64_t first = begin / kLanes * kLanes;
  if (s.soft_cap > 0) soft_cap(scores + first, s.soft_cap, end - first);
  for (int64_t j = first; j < end; j += kLanes) {
    const VInt key = lane + static_cast<int32_t>(j);
    const V score = ((key >= begin) & (key < end)) ? load(scores + j) : lowest;
    store(scores + j, score);
    max = larger(score, max);
  }
  const float row_max = largest_lane(max);
  V sum = {};
  for (int64_t j = first; j < end; j += kLanes) {
    const V weight = exponential(load(scores + j) - row_max);
    store(scores + j, weight);
    sum += weight;
  }
  s.max[row] = row_max;
  s.sum[row] = sum_of_lanes(sum);
}

// out[r, dim ...] += sum over keys of weight[r, key] * value[key, dim ...].
template <class T, int kRows, int kVectors>
inline void weigh_block(const SplitAttention& s, int64_t first, int64_t dim, KeyRange keys) {
  float* out = s.out + first * s.value_dim + dim;
  const float* weights = s.scores + first * kSplitKeys;
  Tile<kRows, kVectors> sums;
  load_tile(sums, out, s.value_dim);
  for (int64_t key = keys.begin; key < keys.end; ++key) {
    const T* value = static_cast<const T*>(s.values[key]) + dim;
    if (key + kValuesAhead < keys.end) {
      const T* ahead = static_cast<const T*>(s.values[key + kValuesAhead]) + dim;
      for (int v = 0; v < kVectors; v += kVectorsOfLine<T>) __builtin_prefetch(ahead + v * kLanes);
    }
    multiply_add(
        sums, [&](int v) { return load(value + v * kLanes); }, weights + key, kSplitKeys);
  }
  store_tile(out, sums, s.value_dim);
}

template <class T, int kRows>
inline void weigh(const SplitAttention& s, int64_t first, int32_t begin, int32_t end) {
  if (begin >= end) return;
  constexpr int kUnit = kValueAlignment / kLanes;
  constexpr int kWide = tile_vectors(kRows, kUnit, kMostValueVectors);
  const KeyRange keys = {begin, end, begin, end};
  int64_t dim = 0;
  for (; dim + kWide * kLanes <= s.value_dim; dim += kWide * kLanes) {
    weigh_block<T, kRows, kWide>(s, first, dim, keys);
  }
  for (; dim < s.value_dim; dim += kUnit * kLanes) {
    weigh_block<T, kRows, kUnit>(s, first, dim, keys);
  }
}

template <class T, int kRows>
void attend_tile(const SplitAttention& s, int64_t first) {
  const KeyRange keys = key_range(s, first, kRows);
  constexpr int kGroups =
      tile_vectors(kRows, kGroupVectors, kMostGroups * kGroupVectors) / kGroupVectors;
  int64_t group = keys.begin / kKeyGroup;
  const int64_t behind = (keys.end + kKeyGroup - 1) / kKeyGroup;
  for (; group + kGroups <= behind; group += kGroups)
    score_groups<T, kRows, kGroups>(s, first, group, behind);
  for (; group < behind; ++group) score_groups<T, kRows, 1>(s, first, group, behind);
  for (int64_t r = first; r < first + kRows; ++r) {
    if (s.begin[r] == s.end[r]) continue;
    softmax_row(s, r);
    for (int64_t d = 0; d < s.value_dim; ++d) s.out[r * s.value_dim + d] = 0;
    const int32_t end = s.end[r] < keys.common_begin ? s.end[r] : keys.common_begin;
    weigh<T, 1>(s, r, s.begin[r], end);
  }
  weigh<T, kRows>(s, first, keys.common_begin, keys.common_end);
  for (int64_t r = first; r < first + kRows; ++r) {
    const int32_t begin = s.begin[r] > keys.common_end ? s.begin[r] : keys.common_end;
    weigh<T, 1>(s, r, begin, s.end[r]);
  }
}

template <class T, int kRows>
void attend_rows(int64_t rows, const SplitAttention& s, int64_t first) {
  if (rows == kRows) {
    attend_tile<T, kRows>(s, first);
  } else if constexpr (kRows > 1) {
    attend_rows<T, kRows - 1>(rows, s, first);
  }
}

template <class T>
void attend(const SplitAttention& s) {
  for (int64_t first = 0; first < s.rows; first += kTileRows) {
    const int64_t left = s.rows - first;
    attend_rows<T, kTileRows>(left < kTileRows ? left : kTileRows, s, first);
  }
}

inline void merge(SoftmaxState state, SoftmaxState split, int64_t n) {
  const float max = *state.max > *split.max ? *state.max : *split.max;
  const V keep = exponential(splat(*state.max - max)), take = exponential(splat(*split.max - max));
  *state.sum = *state.sum * keep[0] + *split.sum * take[0];
  *state.max = max;
  for (int64_t i = 0; i < n; i += kLanes) {
    const V old = load(state.out + i) * keep;
    store(state.out + i, fused_multiply_add(load(split.out + i), take, old));
  }
}

}  // namespace
}  // namespace pagoda::cpu
