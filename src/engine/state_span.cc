#include "engine/state_span.h"

#include <algorithm>

namespace pagoda {

int64_t StateSpan::first_seen(int64_t position) const {
  if (window == 0) return 0;
  return std::max<int64_t>(0, position - window + 1) / block_size;
}

// The step's own tokens and the window - 1 before them; wherever they begin in a block, n tokens
// lie in no more than blocks_for(n - 1) + 1 blocks.
int64_t StateSpan::most_held(int64_t tokens, int64_t step, int64_t first) const {
  const int64_t all = blocks_for(tokens) - first_seen(first);
  if (window == 0) return all;
  const int64_t seen = window - 1 + std::min(step, tokens - first);
  return std::min(all, blocks_for(seen - 1) + 1);
}

}  // namespace pagoda
