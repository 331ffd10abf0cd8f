// Memory that an op needs while it runs: packed rows, sums, lists of what is to be done. The ops of
// a device run one after another, so one piece of memory serves them all: as much as the neediest
// call of the largest step takes. It is made at start (Device::reserve_scratch).
//
// A call says what it needs once, by a struct whose constructor takes its parts from a Carver. Over
// no memory that counts, which is how CpuIdleOps measures; over the scratch it lays the parts out.
//
// Thread rule: the thread that owns the team carves; workers use what it carved.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/buffer.h"

namespace pagoda::cpu {

class Carver {
 public:
  // Null: counts only, and what it gives is null.
  explicit Carver(std::byte* memory) : memory_(memory) {}

  // `count` values on cache lines of their own. What is in them is anything.
  template <class T>
  T* take(int64_t count) {
    std::byte* at = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += (count * int64_t{sizeof(T)} + kCacheLine - 1) / kCacheLine * kCacheLine;
    return reinterpret_cast<T*>(at);
  }
  int64_t bytes() const { return bytes_; }

 private:
  static constexpr int64_t kCacheLine = 64;

  std::byte* const memory_;
  int64_t bytes_ = 0;
};

// The simplest need.
template <class T>
struct Values {
  Values(Carver& carver, int64_t count) : data(carver.take<T>(count)) {}
  T* data;
};

// Of Need(carver, sizes...).
template <class Need, class... Sizes>
int64_t bytes_needed(const Sizes&... sizes) {
  Carver counting(nullptr);
  Need(counting, sizes...);
  return counting.bytes();
}

class Scratch {
 public:
  void reserve(int64_t bytes) {
    if (bytes > memory_.bytes()) memory_ = reserve_host_memory(bytes);
  }
  int64_t bytes() const { return memory_.bytes(); }

  // Valid until the next call. Makes room where nobody has reserved it: tests and benchmarks call
  // ops without a plan. A step that gets here with too little is a bug in measuring.
  template <class Need, class... Sizes>
  Need carve(const Sizes&... sizes) {
    reserve(bytes_needed<Need>(sizes...));
    Carver carver(static_cast<std::byte*>(memory_.data()));
    return Need(carver, sizes...);
  }

 private:
  Buffer memory_;
};

}  // namespace pagoda::cpu
