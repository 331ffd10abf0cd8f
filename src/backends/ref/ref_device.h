// The reference backend: plain loops in f32, written to be read. It is the specification that every
// other backend is compared with (conformance_test), not a way to serve.
//
// Thread rule: as Device; it has no threads of its own.
#pragma once

#include <vector>

#include "backends/ref/ref_ops.h"
#include "tensor/device.h"

namespace pagoda::ref {

// Every number of every expert, in order: floats of a file rounded to the dtype of the activations,
// whole numbers times their scales as they are.
class RefMatrix final : public Matrix {
 public:
  RefMatrix(const MatrixSpec& spec, const PanelReader& reader);
  const MatrixSpec& spec() const override { return spec_; }
  int64_t bytes() const override;
  const float* row(int64_t expert, int64_t row) const {
    return values_.data() + (expert * spec_.out + row) * spec_.in;
  }

 private:
  void append(const PanelReader& reader, int64_t expert, int64_t first, int64_t rows);

  MatrixSpec spec_;
  std::vector<float> values_;  // [count, out, in]
};

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
