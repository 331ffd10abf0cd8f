// Memory of a device, owned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace pagoda {

// Whoever allocates gives the way to free. Movable, not copyable.
class Buffer {
 public:
  using Free = std::function<void(void* data, int64_t bytes)>;

  Buffer() = default;
  Buffer(void* data, int64_t bytes, Free free)
      : data_(data), bytes_(bytes), free_(std::move(free)) {}
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        free_(std::move(other.free_)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(free_, other.free_);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) free_(data_, bytes_);
  }

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  Free free_;
};

// Host memory, zero, aligned to pages. Address space is reserved at once, memory only when touched.
// Throws kDevice where the system refuses.
Buffer reserve_host_memory(int64_t bytes);

}  // namespace pagoda
