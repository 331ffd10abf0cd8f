#include "nn/gqa_attention.h"

#include <doctest/doctest.h>

#include <set>

namespace pagoda {
namespace {

GqaShape shape_of(int64_t heads, int64_t kv_heads) {
  return {.hidden = 64, .heads = heads, .kv_heads = kv_heads, .head_dim = 16};
}

// Why this is not a share of the heads, or "".
std::string fault_of(int64_t heads, int64_t kv_heads, int ranks) {
  std::multiset<int64_t> held;
  for (int rank = 0; rank < ranks; ++rank) {
    const HeadShare share = share_heads(shape_of(heads, kv_heads), rank, ranks);
    const HeadShare first = share_heads(shape_of(heads, kv_heads), 0, ranks);
    if (share.q.padded_units != first.q.padded_units ||
        share.kv.padded_units != first.kv.padded_units) {
      return "ranks differ in size";
    }
    const int64_t group = share.q.padded_units / share.kv.padded_units;
    if (group * share.kv.padded_units != share.q.padded_units) return "groups differ in size";
    for (size_t i = 0; i < share.q.units.size(); ++i) {
      const int64_t kv_head = share.kv.units.at(i / static_cast<size_t>(group));
      if (share.q.units[i] / (heads / kv_heads) != kv_head) return "a head left its KV head";
      held.insert(share.q.units[i]);
    }
  }
  if (held.size() != static_cast<size_t>(heads)) return "a head is held twice or not at all";
  if (std::set<int64_t>(held.begin(), held.end()).size() != held.size()) return "held twice";
  return "";
}

}  // namespace

TEST_CASE("every query head is held once, beside its KV head, for any number of ranks") {
  constexpr GqaShape kShapes[] = {{1, 1, 1, 1},  {1, 8, 8, 1},  {1, 28, 4, 1},
                                  {1, 14, 2, 1}, {1, 64, 8, 1}, {1, 12, 1, 1}};
  for (const GqaShape& shape : kShapes) {
    for (int ranks = 1; ranks <= 40; ++ranks) {
      CAPTURE(shape.heads);
      CAPTURE(ranks);
      CHECK(fault_of(shape.heads, shape.kv_heads, ranks).empty());
    }
  }
}

TEST_CASE("28 heads over 4 KV heads: 8 ranks hold 4 and 3 heads of a KV head in turn") {
  const HeadShare even = share_heads(shape_of(28, 4), 2, 8);
  CHECK(even.kv.units == std::vector<int64_t>{1});
  CHECK(even.q.units == std::vector<int64_t>{7, 8, 9, 10});
  const HeadShare odd = share_heads(shape_of(28, 4), 3, 8);
  CHECK(odd.kv.units == std::vector<int64_t>{1});
  CHECK(odd.q.units == std::vector<int64_t>{11, 12, 13});
  CHECK(odd.q.padded_units == 4);
}

TEST_CASE("fewer ranks than KV heads hold whole groups, the last padded with zero heads") {
  const HeadShare last = share_heads(shape_of(28, 4), 2, 3);
  CHECK(last.kv.units.empty());
  CHECK(last.kv.padded_units == 2);
  CHECK(last.q.padded_units == 14);
}

}  // namespace pagoda
