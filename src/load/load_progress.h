// Told how loading goes.
#pragma once

#include <cstdint>

namespace pagoda {

// Thread rule: called from any thread of any rank.
class LoadProgress {
 public:
  virtual ~LoadProgress() = default;
  virtual void add_bytes(int64_t bytes) = 0;  // of the files, read and packed
};

}  // namespace pagoda
