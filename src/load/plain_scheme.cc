#include "load/plain_scheme.h"

#include <utility>

namespace pagoda {

StoredWeight PlainScheme::open(const ModuleTensors& tensors, std::span<const int64_t> shape) const {
  auto values = tensors.open(kPlainWeight, shape, Numbers::kFloats);
  const WeightFormat format = {.values = values->encoding()};
  return {.format = format, .values = std::move(values)};
}

}  // namespace pagoda
