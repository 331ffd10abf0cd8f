#include "tensor/weight_format.h"

#include "base/str.h"

namespace pagoda {

std::string text_of(const WeightFormat& format) {
  std::string text(name_of(format.values));
  if (!format.is_quantized()) return text;
  if (format.ordered_groups > 0) {
    text += str(" in ", format.ordered_groups, " groups of any columns");
  } else {
    text += format.group > 0 ? str(" in groups of ", format.group) : " by rows";
  }
  if (format.has_zeros) text += " with zero points";
  return text;
}

}  // namespace pagoda
