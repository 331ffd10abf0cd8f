#include "tensor/tensor.h"

#include <algorithm>

#include "base/must.h"

namespace pagoda {
namespace {

template <class T>
std::vector<float> floats_as(Tensor host) {
  std::vector<float> floats(static_cast<size_t>(host.count()));
  std::transform(host.as<T>(), host.as<T>() + host.count(), floats.begin(),
                 [](T number) { return to_float(number); });
  return floats;
}

}  // namespace

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

std::vector<float> floats_of(Tensor host) {
  switch (host.dtype) {
    case DType::kF32: return floats_as<float>(host);
    case DType::kBF16: return floats_as<BFloat16>(host);
    case DType::kF16: return floats_as<Float16>(host);
    case DType::kI32:
    case DType::kU8: break;
  }
  MUST(false);
  return {};
}

}  // namespace pagoda
