#include "load/weight_source.h"

#include "base/str.h"

namespace pagoda {

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += str(i == 0 ? "" : ", ", shape[i]);
  return text + "]";
}

}  // namespace pagoda
