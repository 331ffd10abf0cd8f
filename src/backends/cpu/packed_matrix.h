// A weight matrix of the CPU: panels of 32 outputs, one layout for all instruction families.
//
//   float32, float16  [panels][in][32]
//   bfloat16          [panels][depth / 2][32][2], depth = in rounded up to 32
//
// Outputs beyond the last one and depth beyond `in` are zeros.
//
// Thread rule: read-only after construction.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/weight_layout.h"
#include "base/thread_team.h"
#include "tensor/buffer.h"
#include "tensor/matrix.h"

namespace pagoda::cpu {

class PackedMatrix final : public Matrix {
 public:
  // Reads and packs on all workers. What the reader throws comes out of here.
  PackedMatrix(const MatrixSpec& spec, const PanelReader& reader, ThreadTeam& team);

  const MatrixSpec& spec() const override { return spec_; }
  int64_t bytes() const override { return bytes_of_spec(spec_); }
  static int64_t bytes_of_spec(const MatrixSpec& spec);
  static int64_t depth_of(const MatrixSpec& spec);

  WeightLayout layout() const { return layout_; }
  int64_t depth() const { return depth_of(spec_, layout_); }
  int64_t panels() const { return panels_of(spec_); }
  int64_t panel_bytes() const { return panel_bytes_of(spec_, layout_); }
  const std::byte* panel(int64_t expert, int64_t index) const;
  // out[k - begin] = weight[row, k] for k in [begin, end).  out of the matrix' dtype.
  void copy_row(void* out, int64_t row, int64_t begin, int64_t end) const;

 private:
  void read_panel(int64_t index, const PanelReader& reader, std::vector<std::byte>& scratch);
  static int64_t depth_of(const MatrixSpec& spec, WeightLayout layout);
  static int64_t panels_of(const MatrixSpec& spec);
  static int64_t panel_bytes_of(const MatrixSpec& spec, WeightLayout layout);

  const MatrixSpec spec_;
  const WeightLayout layout_;
  Buffer buffer_;
};

}  // namespace pagoda::cpu
