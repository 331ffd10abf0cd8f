#include "load/group_cut.h"

#include <doctest/doctest.h>

namespace pagoda {
namespace {

constexpr WeightFormat kGroups = {.values = Encoding::kInt4, .group = 32};

Runs columns(const Part& part) {
  return runs_of(part, 1 << 20);
}

// Groups of the file that a cut's groups come from.
std::vector<int32_t> sources(const WeightFormat& stored, const Runs& cut) {
  return group_sources(stored, cut_format(stored, cut).value(), cut);
}

}  // namespace

TEST_CASE("a cut between groups keeps them") {
  const Runs cut = columns(share_groups(160, 32, 1, 2));  // 5 groups: 3 and 2
  CHECK(cut_format(kGroups, cut) == kGroups);
  CHECK(sources(kGroups, cut) == std::vector<int32_t>{3, 4, -1});
}

TEST_CASE("groups are dealt whole, and only the last of all is cut short") {
  const Part last = share_groups(150, 32, 1, 2);
  CHECK(last.size() == 96);
  CHECK(columns(last).stored() == 150 - 96);
  CHECK(sources(kGroups, columns(last)) == std::vector<int32_t>{3, 4, -1});
  CHECK(share_groups(150, 32, 0, 1).size() == 150);
  CHECK(columns(behind(last, 150)).runs[0].first == 150 + 96);
}

TEST_CASE("a cut inside of groups makes smaller ones that keep their scale") {
  WeightFormat smaller = kGroups;
  smaller.group = 16;
  const Runs cut = columns({.unit = 48, .units = {1}, .padded_units = 1});
  CHECK(cut_format(kGroups, cut) == smaller);
  CHECK(sources(kGroups, cut) == std::vector<int32_t>{1, 2, 2});
  const Runs two = columns({.unit = 16, .units = {0, 3}, .padded_units = 2});
  CHECK(sources(kGroups, two) == std::vector<int32_t>{0, 1});
}

TEST_CASE("what no format can say is widened") {
  const Runs tiny = columns({.unit = 4, .units = {1}, .padded_units = 1});
  CHECK(!cut_format(kGroups, tiny));
  const Runs half_a_byte = columns({.unit = 1, .units = {33}, .padded_units = 1});
  CHECK(!cut_format(kGroups, half_a_byte));
  // Padding in a row that has one zero point would not be zero.
  WeightFormat rows = {.values = Encoding::kInt8, .has_zeros = true};
  const Runs padded = columns(share_part(3, 8, 1, 2));
  CHECK(!cut_format(rows, padded));
  rows.has_zeros = false;
  CHECK(cut_format(rows, padded) == rows);
  CHECK(sources(rows, padded) == std::vector<int32_t>{0});
}

TEST_CASE("a rank needs all groups of an order, and one more for padding") {
  WeightFormat ordered = kGroups;
  ordered.ordered_groups = 3;
  const std::vector<int32_t> order = {2, 0, 1, 1, 0, 2};
  const Runs last = columns(share_part(3, 2, 1, 2));
  WeightFormat cut = ordered;
  cut.ordered_groups = 4;
  CHECK(cut_format(ordered, last) == cut);
  CHECK(sources(ordered, last) == std::vector<int32_t>{0, 1, 2, -1});
  CHECK(cut_order(order, ordered, last) == std::vector<int32_t>{0, 2, 3, 3});
}

}  // namespace pagoda
