// The table of the family this file is compiled for.
#pragma once

#include "backends/cpu/attention_kernels.h"
#include "backends/cpu/elementwise_kernels.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/matmul_kernels.h"

namespace pagoda::cpu {
namespace {

template <class T>
constexpr NumberKernels number_kernels() {
  return {
      .widen = &widen<T>,
      .narrow = &narrow<T>,
      .add = &add<T>,
      .rms_norm = &rms_norm<T>,
      .gated_mul = {&silu_mul<T>, &gelu_tanh_mul<T>},
      .scale = &scale<T>,
      .rope_halves = &rope_halves<T>,
      .rope_neighbors = &rope_neighbors<T>,
      .attention = {.query_tile = kTileRows, .attend = &attend<T>},
  };
}

constexpr Kernels kTable = {
    .of = {number_kernels<float>(), number_kernels<Bf16>(), number_kernels<Half>()},
    .matmul = {matmul_kernels<float>(), matmul_kernels<Bf16>(), matmul_kernels<Half>()},
    .merge = &merge,
    .divide = &divide,
    .soft_cap = &soft_cap,
};

}  // namespace
}  // namespace pagoda::cpu
