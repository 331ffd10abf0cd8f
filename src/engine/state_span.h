// How many blocks a sequence needs at once, and which: with a window only those that tokens to come
// still see.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>

namespace pagoda {

// The layers of a group see `window` tokens (0: all), in blocks of block_size.
struct StateSpan {
  int64_t window, block_size;

  int64_t blocks_for(int64_t tokens) const { return (tokens + block_size - 1) / block_size; }
  // The first block that the token at `position` sees, and so every token behind it.
  int64_t first_seen(int64_t position) const;
  // The most that a sequence of `tokens` holds at once from token `first` on, computed at most
  // `step` tokens at a time.
  int64_t most_held(int64_t tokens, int64_t step, int64_t first = 0) const;
};

}  // namespace pagoda
