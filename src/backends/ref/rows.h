// Numbers of any float dtype, read as f32 and rounded once when stored.
#pragma once

#include <cstdint>
#include <vector>

#include "base/must.h"
#include "tensor/tensor.h"

namespace pagoda::ref {

inline float load(DType dtype, const void* data, int64_t i) {
  switch (dtype) {
    case DType::kF32: return static_cast<const float*>(data)[i];
    case DType::kBF16: return to_float(static_cast<const BFloat16*>(data)[i]);
    case DType::kF16: return to_float(static_cast<const Float16*>(data)[i]);
    case DType::kI32:
    case DType::kU8: break;
  }
  MUST(false);  // only floats are computed with
  return 0.0f;
}

inline void store(DType dtype, void* data, int64_t i, float x) {
  switch (dtype) {
    case DType::kF32: static_cast<float*>(data)[i] = x; return;
    case DType::kBF16: static_cast<BFloat16*>(data)[i] = from_float<BFloat16>(x); return;
    case DType::kF16: static_cast<Float16*>(data)[i] = from_float<Float16>(x); return;
    case DType::kI32:
    case DType::kU8: break;
  }
  MUST(false);  // only floats are computed with
}

inline float rounded(DType dtype, float x) {
  float bits = 0.0f;
  store(dtype, &bits, 0, x);
  return load(dtype, &bits, 0);
}

// How many rows a tensor is if its last dimension is a row.
inline int64_t rows_in(Tensor t) {
  return t.empty() ? 0 : t.count() / t.dim(-1);
}

// Row i of the last dimension.
inline std::vector<float> read_row(Tensor t, int64_t i) {
  const int64_t n = t.dim(-1);
  std::vector<float> row(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) row[static_cast<size_t>(j)] = load(t.dtype, t.data, i * n + j);
  return row;
}

inline void write_row(Tensor t, int64_t i, const std::vector<float>& row) {
  const int64_t n = t.dim(-1);
  MUST(static_cast<int64_t>(row.size()) == n);
  for (int64_t j = 0; j < n; ++j) store(t.dtype, t.data, i * n + j, row[static_cast<size_t>(j)]);
}

}  // namespace pagoda::ref
