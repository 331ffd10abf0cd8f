// Activations of one step: a bump arena over one buffer, emptied at the start of every step.
//
// Thread rule: the thread of its rank.
// Invariant: nothing is allocated on the step path; a step that does not fit is a bug in planning.
#pragma once

#include <initializer_list>

#include "tensor/buffer.h"
#include "tensor/tensor.h"

namespace pagoda {

class Workspace {
 public:
  // `activations` is the dtype of make() without one: that of the model.
  Workspace(Buffer buffer, DType activations);
  // Measures only: make() gives views of no memory, peak_bytes() tells what a real step needs.
  explicit Workspace(DType activations);

  Tensor make(std::initializer_list<int64_t> shape) { return make(shape, activations_); }
  Tensor make(std::initializer_list<int64_t> shape, DType dtype);

  // Everything made since mark() is given back by release(mark).
  int64_t mark() const { return used_; }
  void release(int64_t mark) { used_ = mark; }
  void reset() { used_ = 0; }

  DType activations() const { return activations_; }
  int64_t peak_bytes() const { return peak_; }

 private:
  Buffer buffer_;
  DType activations_;
  bool measuring_ = false;
  int64_t used_ = 0, peak_ = 0;
};

}  // namespace pagoda
