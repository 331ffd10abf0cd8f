#include "backends/ref/ref_device.h"

#include <unistd.h>

#include <cstring>

#include "backends/ref/ref_matrix.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda::ref {

std::unique_ptr<Matrix> RefDevice::make_matrix(const MatrixSpec& spec, const PanelReader& reader) {
  return std::make_unique<RefMatrix>(spec, reader);
}

int64_t RefDevice::matrix_bytes(const MatrixSpec& spec) const {
  return spec.count * spec.out * spec.in * static_cast<int64_t>(sizeof(float));
}

int64_t RefDevice::kv_block_bytes(const KvShape& shape, int64_t block_size) const {
  if (!is_float(shape.dtype)) {
    throw Error(ErrorKind::kConfig,
                str("a KV cache of ", name_of(shape.dtype),
                    ": ref keeps keys and values in float32, bfloat16 or float16; choose one of "
                    "them"));
  }
  return block_size * shape.kv_heads * (shape.key_dim + shape.value_dim) * bytes_of(shape.dtype);
}

DeviceMemory RefDevice::memory() const {
  const int64_t page = sysconf(_SC_PAGESIZE);
  return {.total_bytes = sysconf(_SC_PHYS_PAGES) * page,
          .free_bytes = sysconf(_SC_AVPHYS_PAGES) * page};
}

void RefDevice::copy_in(Tensor device, const void* host) {
  if (!device.empty()) std::memcpy(device.data, host, static_cast<size_t>(device.bytes()));
}

void RefDevice::copy_out(void* host, Tensor device) {
  if (!device.empty()) std::memcpy(host, device.data, static_cast<size_t>(device.bytes()));
}

}  // namespace pagoda::ref
