#include "engine/state_pools.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace pagoda {
namespace {

constexpr int64_t kBlockSize = 4;

std::vector<BlockHash> hashes_of(int64_t blocks) {
  std::vector<BlockHash> hashes;
  for (int64_t i = 0; i < blocks; ++i) hashes.push_back({static_cast<uint64_t>(i) + 1, 0, 0, 0});
  return hashes;
}

// A prompt of so many full blocks has been computed and is over; its blocks are known.
std::vector<BlockHash> leave_prompt(StatePools& pools, int64_t blocks) {
  std::vector<BlockHash> hashes = hashes_of(blocks);
  SequenceState state;
  REQUIRE(pools.extend(state, blocks * kBlockSize));
  for (int64_t i = 0; i < blocks; ++i) pools.note(state, i, hashes[static_cast<size_t>(i)]);
  state.give_back_all();
  return hashes;
}

TEST_CASE("a token with a window of 6 sees the block of the fifth token before it and all behind") {
  const StateSpan span = {.window = 6, .block_size = kBlockSize};
  CHECK(span.first_seen(0) == 0);
  CHECK(span.first_seen(8) == 0);
  CHECK(span.first_seen(9) == 1);
  CHECK(span.first_seen(13) == 2);
  CHECK(StateSpan{.window = 0, .block_size = kBlockSize}.first_seen(1000) == 0);
  CHECK(StateSpan{.window = 1, .block_size = kBlockSize}.first_seen(8) == 2);
}

TEST_CASE("no sequence ever holds more blocks than most_held says, however it is cut") {
  for (const int64_t window : {0, 1, 2, 5, 8, 17}) {
    const StateSpan span = {.window = window, .block_size = kBlockSize};
    for (const int64_t step : {1, 3, 7, 100}) {
      for (int64_t tokens = 1; tokens < 60; ++tokens) {
        for (int64_t first = 0; first < tokens; ++first) {
          const int64_t end = std::min(tokens, first + step);
          CHECK(span.blocks_for(end) - span.first_seen(first) <= span.most_held(tokens, step));
          CHECK(span.blocks_for(end) - span.first_seen(first) <=
                span.most_held(tokens, step, first));
        }
      }
    }
  }
}

TEST_CASE("a group with a window gives back what no token to come sees, the others nothing") {
  StatePools pools({.groups = {{0, 10}, {6, 10}}, .block_size = kBlockSize});
  SequenceState state;
  REQUIRE(pools.extend(state, 16));
  pools.give_back_unseen(state, 13);
  CHECK(state.tables[0].num_held() == 4);
  CHECK(state.tables[1].first() == 2);
  CHECK(state.tables[1].num_held() == 2);
  CHECK(pools.num_free(1) == 8);
  REQUIRE(pools.extend(state, 20));
  CHECK(state.tables[1].end() == 5);
  CHECK(pools.room(state) == 20);
  state.give_back_all();
  CHECK(pools.num_used() == 0);
}

TEST_CASE("a pool that is exhausted stops a sequence, and the room is what all groups have") {
  StatePools pools({.groups = {{0, 4}, {6, 2}}, .block_size = kBlockSize});
  SequenceState state;
  CHECK_FALSE(pools.extend(state, 16));
  CHECK(pools.room(state) == 8);
  CHECK(pools.fullest() == 0);
  CHECK(pools.usage() == 1.0);
  state.give_back_all();
}

TEST_CASE("a group that sees all takes up a prefix from its beginning to the first missing block") {
  StatePools pools({.groups = {{0, 8}}, .block_size = kBlockSize});
  std::vector<BlockHash> hashes = leave_prompt(pools, 5);
  CHECK(pools.longest_prefix(hashes) == 5);
  hashes[3] = {99, 0, 0, 0};
  CHECK(pools.longest_prefix(hashes) == 3);
}

TEST_CASE("a group with a window takes up a prefix of which only the last blocks are left") {
  StatePools pools({.groups = {{6, 8}}, .block_size = kBlockSize});
  std::vector<BlockHash> hashes = leave_prompt(pools, 5);
  hashes[0] = hashes[1] = {99, 0, 0, 0};
  // Token 20 sees tokens 15 to 19: blocks 3 and 4.
  CHECK(pools.longest_prefix(hashes) == 5);
  SequenceState state = pools.share(hashes);
  CHECK(state.tables[0].first() == 3);
  CHECK(state.tables[0].num_held() == 2);
  state.give_back_all();
  hashes[4] = {99, 0, 0, 0};
  CHECK(pools.longest_prefix(hashes) == 4);  // token 16 sees 11 to 15
  hashes[3] = {99, 0, 0, 0};
  CHECK(pools.longest_prefix(hashes) == 0);  // token 12 would see 7 to 11: block 1 is missing
}

TEST_CASE("a prefix ends where every group can take it up") {
  StatePools pools({.groups = {{0, 8}, {6, 8}}, .block_size = kBlockSize});
  const std::vector<BlockHash> hashes = leave_prompt(pools, 6);
  CHECK(pools.longest_prefix(hashes) == 6);
  // Blocks of the group with the window are handed out again, those unused longest first: the last
  // of the prompt, which were given back first.
  StatePools narrow({.groups = {{0, 8}, {6, 6}}, .block_size = kBlockSize});
  const std::vector<BlockHash> again = leave_prompt(narrow, 6);
  SequenceState other;
  REQUIRE(narrow.extend(other, 4));
  CHECK(narrow.longest_prefix(again) == 5);
  other.give_back_all();
}

TEST_CASE("layers with a state of fixed size take up nothing, and a sequence gets a slot") {
  StatePools pools({.groups = {{0, 8}}, .block_size = kBlockSize, .slots = 2});
  const std::vector<BlockHash> hashes = leave_prompt(pools, 5);
  CHECK(pools.longest_prefix(hashes) == 0);
  SequenceState a, b;
  REQUIRE(pools.extend(a, 4));
  REQUIRE(pools.extend(b, 4));
  CHECK(a.slot->id() != b.slot->id());
  CHECK_FALSE(pools.has_slots_for(1));
  a.give_back_all();
  CHECK(pools.has_slots_for(1));
  b.give_back_all();
}

TEST_CASE("who lacks blocks has its slot all the same, as it computes what it has room for") {
  StatePools pools({.groups = {{0, 2}}, .block_size = kBlockSize, .slots = 1});
  SequenceState state;
  CHECK_FALSE(pools.extend(state, 12));
  CHECK(pools.room(state) == 8);
  CHECK(state.slot);
  state.give_back_all();
}

}  // namespace
}  // namespace pagoda
