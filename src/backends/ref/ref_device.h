// The reference backend: plain loops in f32, written to be read. It is the specification that every
// other backend is compared with (conformance_test), not a way to serve.
//
// Thread rule: as Device; it has no threads of its own.
#pragma once

#include "backends/ref/ref_ops.h"
#include "tensor/device.h"

namespace pagoda::ref {

class RefDevice final : public Device {
 public:
  std::string description() const override { return "ref, plain loops"; }
  Ops& ops() override { return ops_; }
  std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec, const PanelReader& reader) override;
  int64_t matrix_bytes(const MatrixSpec& spec) const override;
  int64_t kv_block_bytes(const KvShape& shape, int64_t block_size) const override;
  DeviceMemory memory() const override;
  Buffer allocate(int64_t bytes) override { return reserve_host_memory(bytes); }
  void copy_in(Tensor device, const void* host) override;
  void copy_out(void* host, Tensor device) override;
  void synchronize() override {}

 private:
  RefOps ops_;
};

}  // namespace pagoda::ref
