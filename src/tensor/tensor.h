// A Tensor is a view: it never owns memory. Owners are WeightStore, StateCache and Workspace.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "tensor/dtype.h"

namespace pagoda {

constexpr int kMaxRank = 4;

// Row-major, without gaps, innermost dimension last.
struct Tensor {
  void* data = nullptr;
  std::array<int64_t, kMaxRank> shape = {};  // unused entries are 0
  int8_t rank = 0;
  DType dtype = DType::kF32;

  // dim(-1) is the innermost.
  int64_t dim(int i) const { return shape[static_cast<size_t>(i < 0 ? rank + i : i)]; }
  int64_t count() const {
    int64_t n = rank == 0 ? 0 : 1;
    for (int i = 0; i < rank; ++i) n *= shape[static_cast<size_t>(i)];
    return n;
  }
  int64_t bytes() const { return count() * bytes_of(dtype); }
  bool empty() const { return count() == 0; }

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};
// Passed by value everywhere, so copying must stay free of surprises.
static_assert(std::is_trivially_copyable_v<Tensor> && sizeof(Tensor) <= 64);

Tensor make_view(void* data, std::initializer_list<int64_t> shape, DType dtype);
// The same numbers under another shape of the same count.
Tensor reshaped(Tensor t, std::initializer_list<int64_t> shape);
// Rows [first, first + rows) of the outermost dimension.
Tensor rows_of(Tensor t, int64_t first, int64_t rows);
// The numbers of floats in host memory.
std::vector<float> floats_of(Tensor host);

}  // namespace pagoda
