#include "tensor/staging.h"

#include "base/must.h"

namespace pagoda {

Staging::Staging(Device& device, int64_t piece_bytes, int pieces)
    : device_(device),
      piece_bytes_(piece_bytes),
      buffer_(device.allocate_host(piece_bytes * pieces)),
      fences_(static_cast<size_t>(pieces)) {}

void* Staging::next() {
  current_ = (current_ + 1) % fences_.size();
  device_.wait(fences_[current_]);
  return current();
}

std::byte* Staging::current() const {
  return static_cast<std::byte*>(buffer_.data()) + static_cast<int64_t>(current_) * piece_bytes_;
}

void Staging::upload(Tensor device, int64_t first_byte) {
  MUST(first_byte + device.bytes() <= piece_bytes_);
  if (device.empty()) return;
  device_.upload(device, current() + first_byte);
  fences_[current_] = device_.fence();
}

}  // namespace pagoda
