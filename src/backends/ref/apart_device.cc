#include "backends/ref/apart_device.h"

#include <algorithm>
#include <cstring>

namespace pagoda::ref {
namespace {

// What it says it has; the address space of so much is cheap.
constexpr int64_t kMemoryBytes = int64_t{8} << 30;

}  // namespace

ApartDevice::ApartDevice(int ordinal)
    : stream_(static_cast<uint64_t>(ordinal)), memory_(stream_), ops_(*this, memory_, stream_) {}

DeviceMemory ApartDevice::memory() const {
  const int64_t left = std::max<int64_t>(0, kMemoryBytes - memory_.allocated_bytes());
  return {.total_bytes = kMemoryBytes, .free_bytes = left, .is_shared = false};
}

void ApartDevice::copy_in(Tensor device, const void* host) {
  if (device.empty()) return;
  stream_.push([to = memory_.reached(device), host] {
    std::memcpy(to.data, host, static_cast<size_t>(to.bytes()));
  });
  synchronize();
}

void ApartDevice::copy_out(void* host, Tensor device) {
  if (device.empty()) return;
  stream_.push([from = memory_.reached(device), host] {
    std::memcpy(host, from.data, static_cast<size_t>(from.bytes()));
  });
  synchronize();
}

void ApartDevice::upload(Tensor device, const void* host) {
  if (device.empty()) return;
  memory_.check_host(host, device.bytes());
  stream_.push([to = memory_.reached(device), host] {
    std::memcpy(to.data, host, static_cast<size_t>(to.bytes()));
  });
}

// Whoever looks before it has run finds NaN.
void ApartDevice::download(void* host, Tensor device) {
  if (device.empty()) return;
  memory_.check_host(host, device.bytes());
  std::memset(host, 0xFF, static_cast<size_t>(device.bytes()));
  stream_.push([from = memory_.reached(device), host] {
    std::memcpy(host, from.data, static_cast<size_t>(from.bytes()));
  });
}

}  // namespace pagoda::ref
