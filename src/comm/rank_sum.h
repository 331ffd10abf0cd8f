// The arithmetic of all_reduce: what ranks hold is added up in rank order, in float32.
//
// Thread rule: pure functions of the memory they are given.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace pagoda {

// Elements [first, end) of every tensor become the sum of those of all, which have one float dtype.
void sum_in_order(std::span<const Tensor> tensors, int64_t first, int64_t end);

}  // namespace pagoda
