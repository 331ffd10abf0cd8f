#include "backends/cpu/cpu_device.h"

#include <cstring>
#include <utility>

#include "backends/cpu/cpu_idle_ops.h"
#include "backends/cpu/host_limits.h"
#include "backends/cpu/kv_blocks.h"
#include "backends/cpu/packed_matrix.h"
#include "base/error.h"
#include "base/str.h"
#include "base/usable_cores.h"

namespace pagoda {
namespace cpu {

CpuDevice::CpuDevice(const Family& family, int threads, std::vector<int> cores)
    : family_(family), threads_(threads), cores_(std::move(cores)) {}

CpuDevice::Workers& CpuDevice::workers() {
  if (workers_ == nullptr) workers_ = std::make_unique<Workers>(family_, threads_, cores_);
  return *workers_;
}

std::string CpuDevice::description() const {
  return str("cpu ", family_.name, ", ", threads_, threads_ == 1 ? " thread" : " threads");
}

std::unique_ptr<Matrix> CpuDevice::make_matrix(const MatrixSpec& spec, const PanelReader& reader) {
  return std::make_unique<PackedMatrix>(spec, reader, workers().team);
}

int64_t CpuDevice::matrix_bytes(const MatrixSpec& spec) const {
  return PackedMatrix::bytes_of_spec(spec);
}

int64_t CpuDevice::kv_block_bytes(const KvShape& shape, int64_t block_size) const {
  if (!is_float(shape.dtype)) {
    throw Error(ErrorKind::kConfig,
                str("a KV cache of ", name_of(shape.dtype),
                    ": cpu keeps keys and values in float32, bfloat16 or float16; choose one of "
                    "them"));
  }
  return KvBlockLayout(shape, block_size).block_bytes;
}

std::unique_ptr<IdleOps> CpuDevice::idle_ops() const {
  return std::make_unique<CpuIdleOps>(family_.kernels(), threads_);
}

DeviceMemory CpuDevice::memory() const {
  return host_memory("/");
}

Buffer CpuDevice::allocate(int64_t bytes) {
  return reserve_host_memory(bytes);
}

void CpuDevice::copy_in(Tensor device, const void* host) {
  std::memcpy(device.data, host, static_cast<size_t>(device.bytes()));
}

void CpuDevice::copy_out(void* host, Tensor device) {
  std::memcpy(host, device.data, static_cast<size_t>(device.bytes()));
}

}  // namespace cpu

std::unique_ptr<Device> open_cpu(const DeviceOptions& options);

std::unique_ptr<Device> open_cpu(const DeviceOptions& options) {
  const cpu::Family& family = cpu::choose_family(options.instruction_set);
  int threads = options.threads;
  if (threads == 0) threads = static_cast<int>(options.cores.size());
  if (threads == 0) threads = usable_cores("/");
  return std::make_unique<cpu::CpuDevice>(family, threads, options.cores);
}

}  // namespace pagoda
