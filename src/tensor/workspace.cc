#include "tensor/workspace.h"

#include <algorithm>
#include <utility>

#include "base/must.h"

namespace pagoda {
namespace {
constexpr int64_t kAlignment = 64;  // a cache line, and the widest vector
}  // namespace

Workspace::Workspace(Buffer buffer, DType activations)
    : buffer_(std::move(buffer)), activations_(activations) {}

Workspace::Workspace(DType activations) : activations_(activations), measuring_(true) {}

Tensor Workspace::make(std::initializer_list<int64_t> shape, DType dtype) {
  Tensor t = make_view(nullptr, shape, dtype);
  const int64_t bytes = (t.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  if (!measuring_) {
    MUST(used_ + bytes <= buffer_.bytes());
    t.data = static_cast<std::byte*>(buffer_.data()) + used_;
  }
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return t;
}

}  // namespace pagoda
