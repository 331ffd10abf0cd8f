// For conformance_test: panels of a matrix in memory, in any format.
//
// Thread rule: as PanelReader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/matrix.h"

namespace pagoda {

// Handed out by way of scratch, as a file of another dtype would. Values with scales are the
// nearest that the format has: scales from the largest of a group, zero points from the smallest.
class MemoryPanels final : public PanelReader {
 public:
  // values [count, out, in]
  MemoryPanels(const MatrixSpec& spec, const std::vector<float>& values);

  Panel read(int64_t expert, int64_t first_row, int64_t rows,
             std::vector<std::byte>& scratch) const override;
  void done(int64_t /*expert*/, int64_t /*first_row*/, int64_t /*rows*/) const override {}

 private:
  void append_floats(const float* row);
  void append_scaled(const float* row, int64_t expert);

  const MatrixSpec spec_;
  const int64_t groups_;
  std::vector<std::byte> values_, scales_;    // [count, out] rows
  std::vector<int8_t> zeros_;                 // [count, out, groups]
  std::vector<std::vector<int32_t>> orders_;  // one a matrix, or none
};

// `values` as `encoding` has them, one after another.
std::vector<std::byte> encoded(Encoding encoding, const std::vector<float>& values);

}  // namespace pagoda
