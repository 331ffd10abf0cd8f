#include "backends/ref/apart_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <vector>

#include "base/error.h"
#include "base/must.h"
#include "base/str.h"

namespace pagoda::ref {
namespace {

// Of the file of ones: a gigabyte of new memory is a mapping for each 16 MiB, and costs nothing
// until it is written.
constexpr int64_t kOnesBytes = int64_t{16} << 20;
constexpr int64_t kPage = 4096;

int64_t whole_pages(int64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

// Throws where the system has refused.
void check(bool is_fine, int64_t bytes) {
  if (is_fine) return;
  throw Error(ErrorKind::kDevice, str("ref:apart: the system refuses ", bytes, " bytes (",
                                      std::strerror(errno), "); see ulimit -v"));
}

int file_of_ones() {
  const int file = memfd_create("ones", MFD_CLOEXEC);
  check(file >= 0, kOnesBytes);
  const std::vector<std::byte> ones(static_cast<size_t>(kOnesBytes), std::byte{0xFF});
  check(write(file, ones.data(), ones.size()) == kOnesBytes, kOnesBytes);
  return file;
}

std::byte* map(int64_t bytes, int protection) {
  void* data = mmap(nullptr, static_cast<size_t>(bytes), protection,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(data != MAP_FAILED, bytes);
  return static_cast<std::byte*>(data);
}

void fill_with_ones(std::byte* data, int64_t bytes, int ones) {
  for (int64_t at = 0; at < bytes; at += kOnesBytes) {
    const auto size = static_cast<size_t>(std::min(kOnesBytes, bytes - at));
    void* mapped = mmap(data + at, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, ones, 0);
    check(mapped != MAP_FAILED, bytes);
  }
}

}  // namespace

ApartMemory::ApartMemory(ApartStream& stream) : stream_(stream), ones_(file_of_ones()) {}

ApartMemory::~ApartMemory() {
  MUST(blocks_.empty());
  close(ones_);
}

Buffer ApartMemory::allocate(int64_t bytes) {
  if (bytes == 0) return {};
  std::byte* reached = map(whole_pages(bytes), PROT_READ | PROT_WRITE);
  fill_with_ones(reached, whole_pages(bytes), ones_);
  allocated_bytes_ += bytes;
  return keep(map(whole_pages(bytes), PROT_NONE), {bytes, reached});
}

Buffer ApartMemory::allocate_host(int64_t bytes) {
  if (bytes == 0) return {};
  return keep(map(whole_pages(bytes), PROT_READ | PROT_WRITE), {bytes, nullptr});
}

Buffer ApartMemory::keep(void* data, const Block& block) {
  blocks_[static_cast<std::byte*>(data)] = block;
  return {data, block.bytes, [this](void* p, int64_t bytes) { free(p, bytes); }};
}

void ApartMemory::free(void* data, int64_t bytes) {
  stream_.drain();
  const auto block = blocks_.find(static_cast<std::byte*>(data));
  MUST(block != blocks_.end());
  if (block->second.reached != nullptr) {
    munmap(block->second.reached, static_cast<size_t>(whole_pages(bytes)));
    allocated_bytes_ -= bytes;
  }
  munmap(data, static_cast<size_t>(whole_pages(bytes)));
  blocks_.erase(block);
}

std::map<const std::byte*, ApartMemory::Block>::const_iterator ApartMemory::find(
    const void* data, int64_t bytes) const {
  const auto* begin = static_cast<const std::byte*>(data);
  const auto after = blocks_.upper_bound(begin);
  if (after == blocks_.begin()) return blocks_.end();
  const auto block = std::prev(after);
  return begin + bytes <= block->first + block->second.bytes ? block : blocks_.end();
}

Tensor ApartMemory::reached(Tensor device) const {
  if (device.empty()) return device;
  const auto block = find(device.data, device.bytes());
  if (block == blocks_.end() || block->second.reached == nullptr) {
    throw Error(ErrorKind::kDevice,
                str("ref:apart: ", device.bytes(), " bytes at ", device.data,
                    " are not within a buffer of this device: they are the host's, or freed, or "
                    "end behind their buffer"));
  }
  device.data = block->second.reached + (device.as<const std::byte>() - block->first);
  return device;
}

void ApartMemory::check_host(const void* data, int64_t bytes) const {
  const auto block = find(data, bytes);
  if (block != blocks_.end() && block->second.reached == nullptr) return;
  throw Error(ErrorKind::kDevice,
              str("ref:apart: ", bytes, " bytes at ", data,
                  " are not within a buffer of allocate_host(); copy_in() and copy_out() take any "
                  "memory"));
}

}  // namespace pagoda::ref
