#include "engine/steps_in_flight.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

namespace pagoda {
namespace {

std::vector<BlockRef> take_blocks(BlockPool& pool, int count) {
  std::vector<BlockRef> blocks;
  blocks.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) blocks.push_back(*pool.take());
  return blocks;
}

SequenceState take(BlockPool& pool, int count) {
  SequenceState state;
  state.tables.emplace_back(0, take_blocks(pool, count));
  return state;
}

TEST_CASE("blocks go back at once where no step in flight names them") {
  BlockPool pool(4);
  StepsInFlight steps;
  steps.give_back(take(pool, 2), 0);
  const uint64_t step = steps.launch();
  steps.collect();
  steps.give_back(take(pool, 2), step);
  CHECK(pool.num_free() == 4);
  CHECK_FALSE(steps.holds_blocks());
}

TEST_CASE("blocks go back with the last step that names them, not with those before or behind") {
  BlockPool pool(4);
  StepsInFlight steps;
  steps.launch();
  const uint64_t second = steps.launch();
  steps.launch();
  steps.give_back(take(pool, 3), second);
  steps.collect();
  CHECK(pool.num_free() == 1);
  CHECK(steps.holds_blocks());
  steps.collect();
  CHECK(pool.num_free() == 4);
  CHECK_FALSE(steps.holds_blocks());
  CHECK_FALSE(steps.empty());
}

TEST_CASE("of blocks worth keeping the first is the last to be taken again") {
  for (const bool in_flight : {false, true}) {
    BlockPool pool(3);
    StepsInFlight steps;
    const uint64_t step = in_flight ? steps.launch() : 0;
    SequenceState state = take(pool, 3);
    for (int64_t i = 0; i < 3; ++i) pool.keep(state.tables[0][i]);
    steps.give_back(std::move(state), step);
    steps.abandon();
    const std::vector<BlockRef> again = take_blocks(pool, 3);
    CHECK(again[0].id() == BlockId(2));
    CHECK(again[2].id() == BlockId(0));
  }
}

TEST_CASE("steps that will not be collected hold nothing") {
  BlockPool pool(2);
  StepsInFlight steps;
  steps.launch();
  steps.give_back(take(pool, 2), steps.launch());
  steps.abandon();
  CHECK(steps.empty());
  CHECK(pool.num_free() == 2);
}

}  // namespace
}  // namespace pagoda
