// Which layout a matrix is kept in, and so which kernels multiply it: the choice by (format of the
// file, dtype of the activations). It is made once, when the matrix is made; ops ask the matrix.
//
// Thread rule: pure functions.
#pragma once

#include "backends/cpu/kernels.h"
#include "tensor/dtype.h"
#include "tensor/weight_format.h"

namespace pagoda::cpu {

WeightLayout choose_layout(const WeightFormat& format, DType activations);

// The dtype of the numbers in a layout.
constexpr DType dtype_of(WeightLayout layout) {
  switch (layout) {
    case WeightLayout::kF32: return DType::kF32;
    case WeightLayout::kBF16Pairs: return DType::kBF16;
    case WeightLayout::kF16: return DType::kF16;
  }
  return DType::kF32;
}

inline const MatmulKernels& products_of(const Kernels& kernels, WeightLayout layout) {
  return kernels.matmul[static_cast<size_t>(layout)];
}

}  // namespace pagoda::cpu
