// Floats of 8 bits with scales, which quantization_config calls fp8 (DeepSeek-V3, Qwen3-FP8, and
// what vLLM's own tools made of other models):
//
//   <module>.weight            F8_E4M3 [out, in]
//   <module>.weight_scale_inv  float [ceil(out / rows), ceil(in / columns)], one a block
//                              (weight_block_size [rows, columns]; blocks at the edges are cut)
//   <module>.weight_scale      float [1] or [], where there are no blocks
//   <module>.input_scale       float [1] or [], where activation_scheme is static
//
// A value is multiplied by its scale, whatever the scale's name says. A module without a scale is
// plain.
//
// Activations are not quantized: the products are those of the weights that are stored, which is
// nearer to the model than what activation_scheme asks for. So input_scale is left alone.
//
// Thread rule: as WeightScheme.
#pragma once

#include <vector>

#include "base/json_reader.h"
#include "load/weight_scheme.h"

namespace pagoda {

class Float8Scheme final : public WeightScheme {
 public:
  // Of outputs and inputs that share a scale; 0: all.
  struct Block {
    int64_t rows = 0, columns = 0;
  };
  explicit Float8Scheme(const Block& block) : block_(block) {}

  StoredWeight open(const ModuleTensors& tensors, std::span<const int64_t> shape) const override;
  bool is_plain(const ModuleTensors& tensors) const override;
  int64_t input_unit() const override;

 private:
  std::string_view scale_name() const;

  const Block block_;
};

// A rule for what stays plain, then one for all other projections. Throws kConfig for what cannot
// be computed with: other 8-bit floats than e4m3, blocks whose sizes make no sense.
std::vector<SchemeRule> float8_rules(const JsonReader& quantization);

}  // namespace pagoda
