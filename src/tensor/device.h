// One accelerator, or one NUMA node (or set of cores) of the CPU.
//
// Thread rule: used by the thread of its rank only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor/buffer.h"
#include "tensor/ops.h"

namespace pagoda {

struct DeviceMemory {
  int64_t total_bytes;    // of the device, or what the cgroup allows
  int64_t free_bytes;     // now, what the cgroup leaves included
  bool is_shared = true;  // all ranks of this host draw from it, as from a CPU's
};

// How a device is opened.
struct DeviceOptions {
  int ordinal = 0;  // which one; for the CPU the rank
  int threads = 0;  // worker team of a CPU device; 0: one a core of `cores`, or of the process
  std::vector<int> cores = {};       // cores to bind the workers to; empty: not bound
  std::string instruction_set = {};  // "avx2" of --backend cpu:avx2; empty: the best there is
};

class Device {
 public:
  virtual ~Device() = default;
  // "cpu avx512bf16, 2 threads": for the log.
  virtual std::string description() const = 0;
  virtual Ops& ops() = 0;

  // Packs a matrix, reading panel by panel on all workers of the device.
  virtual std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec,
                                              const PanelReader& reader) = 0;
  // What make_matrix will keep for such a matrix.
  virtual int64_t matrix_bytes(const MatrixSpec& spec) const = 0;
  virtual int64_t kv_block_bytes(const KvShape& shape, int64_t block_size) const = 0;
  // Bytes of scratch that ops of this device need beyond the model's activations: 0 on the CPU.
  virtual int64_t scratch_bytes() const { return 0; }

  virtual DeviceMemory memory() const = 0;
  // Reserved, touched only when used, where the device can. Throws kDevice.
  virtual Buffer allocate(int64_t bytes) = 0;
  // When these return, `host` may be used for something else, or holds the numbers.
  virtual void copy_in(Tensor device, const void* host) = 0;
  virtual void copy_out(void* host, Tensor device) = 0;
  // Until everything asked for so far is done.
  virtual void synchronize() = 0;

  // Runs `step` now, and perhaps records it under `key` so that the same call replays it. The
  // default just runs.
  virtual void capture_or_replay(int64_t key, const std::function<void()>& step) {
    (void)key;
    step();
  }
};

}  // namespace pagoda
