#include "engine/state_shares.h"

#include <doctest/doctest.h>

namespace pagoda {
namespace {

constexpr int64_t kBlockSize = 16, kStep = 64;
const StateNeed uniform_need = {.groups = {{.window = 0, .block_bytes = 100}}};
const StateNeed mixed_need = {
    .groups = {{.window = 32, .block_bytes = 500}, {.window = 0, .block_bytes = 100}}};
const StateNeed windows_need = {.groups = {{.window = 32, .block_bytes = 100}}};

TEST_CASE("without windows every byte goes to blocks of all layers") {
  const StateShares shares(uniform_need, kStep);
  CHECK(shares.largest(12'345, 7) == 123);
  CHECK(shares.dealt(123, 7) == std::vector<int64_t>{123});
  CHECK(shares.longest(123) == 123 * kBlockSize);
  CHECK(shares.useful(100, 3) == 3 * 7);
}

TEST_CASE("a group with a window gets what its windows can hold, the rest goes to the others") {
  const StateShares shares(mixed_need, kStep);
  // A sequence holds 4 blocks of 32 tokens at most, and a step adds 4.
  CHECK(shares.dealt(1000, 2) == std::vector<int64_t>{12, 1000});
  CHECK(shares.dealt(5, 2) == std::vector<int64_t>{5, 5});
  CHECK(shares.largest(12 * 500 + 100'000, 2) == 1000);
  CHECK(shares.largest(599, 2) == 0);
  CHECK(shares.bytes({12, 1000}) == 106'000);
}

TEST_CASE("with windows in all layers a request may be of any length once its window fits") {
  const StateShares shares(windows_need, kStep);
  CHECK(shares.longest(7) == 7 * kBlockSize);
  CHECK(shares.longest(8) > 1'000'000);
  CHECK(shares.useful(100'000, 2) == 12);
  CHECK(shares.useful(16, 2) == 2);
}

TEST_CASE("the neediest rank decides for all") {
  StateNeed need;
  need.raise_to(mixed_need);
  need.raise_to({.block_size = 32, .groups = {{32, 400}, {0, 200}}, .slot_bytes = 7});
  CHECK(need.groups[0].block_bytes == 500);
  CHECK(need.groups[1].block_bytes == 200);
  CHECK(need.slot_bytes == 7);
  CHECK(need.block_size == 32);
  CHECK(need.block_bytes() == 700);
}

}  // namespace
}  // namespace pagoda
