// Whole numbers of 4 or 8 bits packed into words of 32 along the inputs, as compressed-tensors
// calls pack-quantized:
//
//   <module>.weight_packed      I32 [out, ceil(in * bits / 32)], lowest bits first
//   <module>.weight_scale       float [out, groups]
//   <module>.weight_zero_point  I32 [ceil(out * bits / 32), groups], packed along the outputs
//   <module>.weight_g_idx       I32 [in], the group of each input
//   <module>.weight_shape       I64 [2], out and in once more
//
// Values and zero points are stored plus 2^(bits - 1), in fields of so many bits: no file can have
// one that is out of range.
//
// Thread rule: as WeightScheme.
#pragma once

#include "load/weight_scheme.h"

namespace pagoda {

class PackedScheme final : public WeightScheme {
 public:
  struct Options {
    Encoding values;    // int4 or int8
    int64_t group = 0;  // inputs that share a scale; 0: all
    bool has_zeros = false;
    bool is_ordered = false;  // the group of an input is in weight_g_idx
  };
  explicit PackedScheme(const Options& options) : options_(options) {}

  // A module that has a plain weight instead keeps it; one that has both is refused.
  StoredWeight open(const ModuleTensors& tensors, std::span<const int64_t> shape) const override;
  bool is_plain(const ModuleTensors& tensors) const override;
  int64_t input_unit() const override;

 private:
  const Options options_;
};

}  // namespace pagoda
