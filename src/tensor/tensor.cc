#include "tensor/tensor.h"

#include "base/must.h"

namespace pagoda {

Tensor make_view(void* data, std::initializer_list<int64_t> shape, DType dtype) {
  MUST(shape.size() <= kMaxRank);
  Tensor t{.data = data, .shape = {}, .rank = static_cast<int8_t>(shape.size()), .dtype = dtype};
  size_t i = 0;
  for (const int64_t n : shape) t.shape[i++] = n;
  return t;
}

Tensor reshaped(Tensor t, std::initializer_list<int64_t> shape) {
  const Tensor view = make_view(t.data, shape, t.dtype);
  MUST(view.count() == t.count());
  return view;
}

Tensor rows_of(Tensor t, int64_t first, int64_t rows) {
  MUST(first >= 0 && rows >= 0 && first + rows <= t.dim(0));
  const int64_t row_bytes = t.dim(0) == 0 ? 0 : t.bytes() / t.dim(0);
  // A view of no memory (Workspace that measures) stays one.
  if (t.data != nullptr) t.data = static_cast<std::byte*>(t.data) + first * row_bytes;
  t.shape[0] = rows;
  return t;
}

}  // namespace pagoda
