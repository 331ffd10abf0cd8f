// A weight matrix in the form its device likes best. Only the backend that made it can look inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace pagoda {

// How numbers stand in a panel, before any device has packed them. (Quantized forms, with scales
// and zeros beside the values, join this list with the first format that needs them.)
enum class Encoding : uint8_t { kF32, kF16, kBF16 };

struct MatrixSpec {
  int64_t out = 0, in = 0;              // rows, columns: this rank's share, padding included
  int64_t count = 1;                    // experts that share a spec
  Encoding encoding = Encoding::kBF16;  // of the panels
  DType dtype = DType::kBF16;           // of the activations it will be multiplied with
};

// A band of rows, all columns.
struct Panel {
  std::span<const std::byte> values;  // encoding [rows, in], row-major
};

class PanelReader {
 public:
  virtual ~PanelReader() = default;
  // Rows [first_row, first_row + rows) of one expert. The panel points into the file or into
  // `scratch` and is valid as long as both are. Thread rule: any number of threads at once, each
  // with its own scratch.
  virtual Panel read(int64_t expert, int64_t first_row, int64_t rows,
                     std::vector<std::byte>& scratch) const = 0;
  // These rows will not be read again: pages of the file may go.
  virtual void done(int64_t expert, int64_t first_row, int64_t rows) const = 0;
};

class Matrix {
 public:
  virtual ~Matrix() = default;
  virtual const MatrixSpec& spec() const = 0;
  virtual int64_t bytes() const = 0;  // as kept on the device
};

}  // namespace pagoda
