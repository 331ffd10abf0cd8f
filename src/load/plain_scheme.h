// Weights as floats: <module>.weight.
//
// Thread rule: as WeightScheme.
#pragma once

#include "load/weight_scheme.h"

namespace pagoda {

// Also the gains of norms, which are no matrices and never quantized.
constexpr std::string_view kPlainWeight = "weight";

class PlainScheme final : public WeightScheme {
 public:
  StoredWeight open(const ModuleTensors& tensors, std::span<const int64_t> shape) const override;
  bool is_plain(const ModuleTensors& /*tensors*/) const override { return true; }
  int64_t input_unit() const override { return 1; }
};

}  // namespace pagoda
