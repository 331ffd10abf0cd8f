#include "load/runs.h"

#include <algorithm>

#include "base/must.h"
#include "base/str.h"

namespace pagoda {

int64_t Runs::stored() const {
  int64_t count = 0;
  for (const Run& run : runs) count += run.count;
  return count;
}

std::string Runs::text() const {
  std::string text;
  for (const Run& run : runs) text += str(text.empty() ? "" : ",", run.first, "+", run.count);
  return text + str("|", size);
}

Runs runs_of(const Part& part, int64_t limit) {
  Runs result{.runs = {}, .size = part.size()};
  for (const int64_t unit : part.units) {
    const int64_t first = part.first + unit * part.unit;
    const int64_t left = part.end == 0 ? part.unit : part.end - unit * part.unit;
    const int64_t count = std::min(part.unit, left);
    MUST(first >= 0 && count > 0 && first + count <= limit);
    if (!result.runs.empty() && result.runs.back().first + result.runs.back().count == first) {
      result.runs.back().count += count;
    } else {
      result.runs.push_back({first, count});
    }
  }
  MUST(result.stored() <= result.size);
  return result;
}

}  // namespace pagoda
