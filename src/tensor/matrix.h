// A weight matrix in the form its device likes best. Only the backend that made it can look inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"
#include "tensor/weight_format.h"

namespace pagoda {

struct MatrixSpec {
  int64_t out = 0, in = 0;     // rows, columns: this rank's share, padding included
  int64_t count = 1;           // experts that share a spec
  WeightFormat format = {};    // of the panels
  DType dtype = DType::kBF16;  // of the activations it will be multiplied with
};

// A band of rows, all columns. Row r begins at a whole byte. Floats of 16 and 32 bits have values
// alone.
struct Panel {
  std::span<const std::byte> values;       // format.values [rows, in], row-major
  std::span<const std::byte> scales = {};  // format.scales [rows, groups]
  std::span<const int8_t> zeros = {};      // [rows, groups], or empty
  std::span<const int32_t> order = {};     // [in]: the group of each column, or empty
};

class PanelReader {
 public:
  virtual ~PanelReader() = default;
  // Rows [first_row, first_row + rows) of one expert. The panel points into the file, into
  // `scratch` or into this reader, and is valid as long as all are. All panels of an expert have
  // one order. Thread rule: any number of threads at once, each with its own scratch.
  virtual Panel read(int64_t expert, int64_t first_row, int64_t rows,
                     std::vector<std::byte>& scratch) const = 0;
  // These rows will not be read again: pages of the file may go.
  virtual void done(int64_t expert, int64_t first_row, int64_t rows) const = 0;
};

// Columns [first, first + count) of a row of a panel.
struct PanelPiece {
  int64_t row, first, count;
};
// The weights themselves, by the formula of weight_format.h, each rounded once, to f32.
void widen(float* out, const Panel& panel, const MatrixSpec& spec, const PanelPiece& piece);

class Matrix {
 public:
  virtual ~Matrix() = default;
  virtual const MatrixSpec& spec() const = 0;
  virtual int64_t bytes() const = 0;  // as kept on the device
};

}  // namespace pagoda
