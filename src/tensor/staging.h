// Host memory that uploads read from, in rotation: a piece is written again only when the device
// has read what it held before.
//
// Thread rule: the thread of its rank.
#pragma once

#include <vector>

#include "tensor/device.h"

namespace pagoda {

class Staging {
 public:
  // With two pieces one can be filled while the device reads the other.
  Staging(Device& device, int64_t piece_bytes, int pieces);

  // The next piece, which nothing reads any more; waits for the device where it must.
  void* next();
  // Queues a copy to `device` of the piece that next() gave last, from this byte on. What is copied
  // must stay as it is from here on.
  void upload(Tensor device, int64_t first_byte = 0);

 private:
  std::byte* current() const;

  Device& device_;
  const int64_t piece_bytes_;
  Buffer buffer_;
  std::vector<Fence> fences_;  // behind the last upload from each piece
  size_t current_ = 0;
};

}  // namespace pagoda
