// Which share of a dimension a rank holds: units of the file, in this order, then zeros.
#pragma once

#include <cstdint>
#include <vector>

namespace pagoda {

// 28 heads of 128 over 8 ranks: rank 0 has {.unit = 128, .units = {0, 1, 2, 3}, .padded_units = 4}.
struct Part {
  int64_t unit = 1;            // rows or columns that must stay together: a head, a group
  std::vector<int64_t> units;  // indices of units in the file
  int64_t padded_units = 0;    // >= units.size(); the rest is zeros
  int64_t first = 0;           // row or column of the file where unit 0 begins
  int64_t end = 0;  // counted from `first`, where the last unit is cut short; 0: all are whole

  int64_t size() const { return unit * padded_units; }
};

// All of it, in the file's order.
Part whole_part(int64_t size);
// `units` units dealt in order, the same number to every rank, the last ranks padded.
Part share_part(int64_t units, int64_t unit, int rank, int ranks);
// `size` rows or columns dealt in order in whole groups, of which the last may be cut short. A
// single rank has them as they are.
Part share_groups(int64_t size, int64_t group, int rank, int ranks);
// The same share of what lies `first` rows further down in one tensor: keys behind queries.
Part behind(Part part, int64_t first);

}  // namespace pagoda
