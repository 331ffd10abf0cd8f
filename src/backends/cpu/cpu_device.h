// The cores of this process, or some of them, as a device.
//
// Thread rule: the thread of its rank, which is worker 0 of the device's team.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/families.h"
#include "base/thread_team.h"
#include "tensor/device.h"

namespace pagoda::cpu {

class CpuDevice final : public Device {
 public:
  CpuDevice(const Family& family, int threads, std::vector<int> cores);

  std::string description() const override;
  Ops& ops() override { return workers().ops; }
  std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec, const PanelReader& reader) override;
  int64_t matrix_bytes(const MatrixSpec& spec) const override;
  int64_t kv_block_bytes(const KvShape& shape, int64_t block_size) const override;
  std::unique_ptr<IdleOps> idle_ops() const override;
  void reserve_scratch(int64_t bytes) override { workers().ops.scratch().reserve(bytes); }
  DeviceMemory memory() const override;
  Buffer allocate(int64_t bytes) override;
  void copy_in(Tensor device, const void* host) override;
  void copy_out(void* host, Tensor device) override;
  void synchronize() override {}

 private:
  struct Workers {
    Workers(const Family& family, int threads, const std::vector<int>& cores)
        : team(threads, cores), ops(family.kernels(), team) {}
    ThreadTeam team;
    CpuOps ops;
  };
  // A device that only tells sizes, as `pagoda plan` asks for them, starts no thread.
  Workers& workers();

  const Family& family_;
  const int threads_;
  const std::vector<int> cores_;
  std::unique_ptr<Workers> workers_;  // from the first matrix or op on
};

}  // namespace pagoda::cpu
