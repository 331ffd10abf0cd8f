#include "tensor/part.h"

#include <algorithm>
#include <utility>

namespace pagoda {

Part whole_part(int64_t size) {
  return {.unit = size, .units = {0}, .padded_units = 1};
}

Part share_part(int64_t units, int64_t unit, int rank, int ranks) {
  Part part{.unit = unit, .units = {}, .padded_units = (units + ranks - 1) / ranks};
  const int64_t first = std::min(units, rank * part.padded_units);
  const int64_t last = std::min(units, first + part.padded_units);
  for (int64_t i = first; i < last; ++i) part.units.push_back(i);
  return part;
}

Part share_groups(int64_t size, int64_t group, int rank, int ranks) {
  if (ranks == 1) return whole_part(size);
  Part part = share_part((size + group - 1) / group, group, rank, ranks);
  if (size % group != 0) part.end = size;
  return part;
}

Part behind(Part part, int64_t first) {
  part.first += first;
  return part;
}

}  // namespace pagoda
