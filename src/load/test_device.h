// For tests: a device that keeps matrices as plain floats, read in panels of a few rows by two
// threads, and can compute nothing.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "base/thread_team.h"
#include "load/band_reader.h"
#include "tensor/device.h"

namespace pagoda {

class TestMatrix final : public Matrix {
 public:
  TestMatrix(const MatrixSpec& spec, std::vector<float> values)
      : spec_(spec), values_(std::move(values)) {}
  const MatrixSpec& spec() const override { return spec_; }
  int64_t bytes() const override { return static_cast<int64_t>(values_.size() * sizeof(float)); }
  const std::vector<float>& values() const { return values_; }  // [out, in]

 private:
  MatrixSpec spec_;
  std::vector<float> values_;
};

class TestDevice final : public Device {
 public:
  explicit TestDevice(int64_t panel_rows = 3) : panel_rows_(panel_rows) {}

  std::string description() const override { return "test"; }
  Ops& ops() override { throw Error(ErrorKind::kDevice, "the test device computes nothing"); }
  std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec, const PanelReader& reader) override {
    std::vector<float> values(static_cast<size_t>(spec.count * spec.out * spec.in));
    std::vector<std::vector<std::byte>> scratch(static_cast<size_t>(team_.size()));
    Mutex mutex;
    std::optional<Error> error;  // one of them; jobs of a team must not throw
    for (int64_t i = 0; i < spec.count; ++i) {
      team_.for_chunks(spec.out, panel_rows_, [&](int64_t begin, int64_t end, int worker) {
        float* out = values.data() + (i * spec.out + begin) * spec.in;
        try {
          read_rows(out, spec, reader, {i, begin, end - begin},
                    scratch[static_cast<size_t>(worker)]);
        } catch (const Error& e) {
          const MutexLock lock(mutex);
          error = e;
        }
      });
    }
    if (error) throw Error(*error);
    ++matrices_made;
    return std::make_unique<TestMatrix>(spec, std::move(values));
  }
  int64_t matrix_bytes(const MatrixSpec& spec) const override {
    return spec.count * spec.out * spec.in * 4;
  }
  int64_t kv_block_bytes(const KvShape& /*shape*/, int64_t /*block_size*/) const override {
    return 0;
  }
  DeviceMemory memory() const override { return {0, 0}; }
  Buffer allocate(int64_t bytes) override { return reserve_host_memory(bytes); }
  void copy_in(Tensor device, const void* host) override {
    if (device.bytes() > 0) std::memcpy(device.data, host, static_cast<size_t>(device.bytes()));
  }
  void copy_out(void* host, Tensor device) override {
    std::memcpy(host, device.data, static_cast<size_t>(device.bytes()));
  }
  void synchronize() override {}

  int matrices_made = 0;

 private:
  struct Rows {
    int64_t expert, first, count;
  };
  static void read_rows(float* out, const MatrixSpec& spec, const PanelReader& reader,
                        const Rows& rows, std::vector<std::byte>& scratch) {
    const Panel panel = reader.read(rows.expert, rows.first, rows.count, scratch);
    for (int64_t r = 0; r < rows.count; ++r) {
      widen(out + r * spec.in, panel, spec, {.row = r, .first = 0, .count = spec.in});
    }
    reader.done(rows.expert, rows.first, rows.count);
  }

  ThreadTeam team_{2};
  const int64_t panel_rows_;
};

inline const std::vector<float>& values_of(const Matrix& matrix) {
  return dynamic_cast<const TestMatrix&>(matrix).values();
}

inline std::vector<float> values_of(Tensor tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.count()};
}

}  // namespace pagoda
