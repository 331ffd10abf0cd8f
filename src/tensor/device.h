// One accelerator, or one NUMA node (or set of cores) of the CPU.
//
// A device has a stream: ops, collectives, upload() and download() are queued and run one after
// another, in the order in which they were asked for. A call may return long before that, as on an
// accelerator, or when it is done, as on the CPU. So, for whoever calls:
//
// - Memory of allocate() is the device's. The host reads and writes it by the copies below alone.
// - Tensors and structs of a call are copied. What they refer to stays where and as it is until a
//   fence behind the call is done: matrices, and the host memory of upload() and download().
// - What fails in the stream is thrown by the next call that waits, and by every one after it.
//
// Thread rule: used by the thread of its rank only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensor/buffer.h"
#include "tensor/communicator.h"
#include "tensor/idle_ops.h"
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

// A point in the stream of a device, behind all that was asked for before it.
struct Fence {
  uint64_t point = 0;  // 0: the beginning; it is done
};

class Device {
 public:
  virtual ~Device() = default;
  // "cpu avx512bf16, 2 threads": for the log.
  virtual std::string description() const = 0;
  virtual Ops& ops() = 0;
  // What connects `ranks` devices of this kind, one a rank, and does not need this one. Null: their
  // threads can, as they reach each other's memory (comm/connect.h).
  virtual std::unique_ptr<CommunicatorGroup> connect(int /*ranks*/) const { return nullptr; }

  // Packs a matrix, reading panel by panel on all workers of the device.
  virtual std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec,
                                              const PanelReader& reader) = 0;
  // What make_matrix will keep for such a matrix.
  virtual int64_t matrix_bytes(const MatrixSpec& spec) const = 0;
  // Tokens of a KV block: as many as wanted, or what the device can do instead.
  virtual int64_t kv_block_size(int64_t wanted) const { return wanted; }
  // All that a block takes: where a dtype needs scales, theirs too. The dtype may be another than
  // that of the activations; throws kConfig for one that this device does not cache, by name.
  virtual int64_t kv_block_bytes(const KvShape& shape, int64_t block_size) const = 0;

  // Ops that compute nothing and note how much scratch ops() would need for the calls they see,
  // beyond the tensors of the calls, which lack memory: a model is run over them with its largest
  // batch. Whatever the numbers in the tensors will be, and for every smaller batch, that is
  // enough.
  virtual std::unique_ptr<IdleOps> idle_ops() const { return std::make_unique<IdleOps>(); }
  // Makes so much, once, before the first step: none of its ops allocates.
  virtual void reserve_scratch(int64_t bytes) { (void)bytes; }

  virtual DeviceMemory memory() const = 0;
  // Reserved, touched only when used, where the device can. Its content is anything. Not on the
  // step path; freeing it waits for what is queued. Throws kDevice.
  virtual Buffer allocate(int64_t bytes) = 0;
  // Host memory that the device reads and writes by itself. Not on the step path either.
  virtual Buffer allocate_host(int64_t bytes) { return reserve_host_memory(bytes); }

  // When these return, `host`, which is any memory, may be used for something else, or holds the
  // numbers. They wait for all that was asked for before: for loading and for tests.
  virtual void copy_in(Tensor device, const void* host) = 0;
  virtual void copy_out(void* host, Tensor device) = 0;
  // Queued. `host` is memory of allocate_host(): it is read, or written, at any time until a fence
  // behind the call is done (Staging keeps such memory in rotation). The defaults do it at once.
  virtual void upload(Tensor device, const void* host) { copy_in(device, host); }
  virtual void download(void* host, Tensor device) { copy_out(host, device); }

  // One is enough for any number of calls before it.
  virtual Fence fence() { return {}; }
  // Until all before it is done; later work may still run.
  virtual void wait(Fence /*fence*/) { synchronize(); }
  // Until everything asked for so far is done.
  virtual void synchronize() = 0;
};

}  // namespace pagoda
