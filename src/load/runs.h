// A Part of a tensor as the file has it: few stretches instead of many units.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/part.h"

namespace pagoda {

// Rows (or columns) that lie side by side in the file.
struct Run {
  int64_t first, count;
};

// A Part as few runs as possible, so that equal shares compare equal however they were written.
struct Runs {
  std::vector<Run> runs;
  int64_t size = 0;  // padding included

  int64_t stored() const;    // without padding
  std::string text() const;  // "0+4,8+4|16": a key for equal shares
};
// MUSTs that the part lies in [0, limit): models make it from the same shape that is checked.
Runs runs_of(const Part& part, int64_t limit);

}  // namespace pagoda
