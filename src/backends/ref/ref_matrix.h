// A weight matrix of the reference.
//
// Thread rule: immutable after construction.
#pragma once

#include <vector>

#include "tensor/matrix.h"

namespace pagoda::ref {

// Every number of every expert, in order: floats of a file rounded to the dtype of the activations,
// values with scales as they are when multiplied.
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

}  // namespace pagoda::ref
