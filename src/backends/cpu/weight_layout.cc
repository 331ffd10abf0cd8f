#include "backends/cpu/weight_layout.h"

#include "base/must.h"

namespace pagoda::cpu {
namespace {

struct Choice {
  Encoding values;
  DType activations;
  WeightLayout layout;
};

// Floats are rounded to the dtype of the activations. Values with scales are widened to it as well,
// when they are loaded: that is right, but as large and as slow as floats are. Layouts that keep
// them small are further values of WeightLayout, each with its kernels, and take their rows here.
constexpr Choice kChoices[] = {
    {Encoding::kF32, DType::kF32, WeightLayout::kF32},
    {Encoding::kF16, DType::kF32, WeightLayout::kF32},
    {Encoding::kBF16, DType::kF32, WeightLayout::kF32},
    {Encoding::kF8E4M3, DType::kF32, WeightLayout::kF32},
    {Encoding::kInt8, DType::kF32, WeightLayout::kF32},
    {Encoding::kInt4, DType::kF32, WeightLayout::kF32},

    {Encoding::kF32, DType::kBF16, WeightLayout::kBF16Pairs},
    {Encoding::kF16, DType::kBF16, WeightLayout::kBF16Pairs},
    {Encoding::kBF16, DType::kBF16, WeightLayout::kBF16Pairs},
    {Encoding::kF8E4M3, DType::kBF16, WeightLayout::kBF16Pairs},
    {Encoding::kInt8, DType::kBF16, WeightLayout::kBF16Pairs},
    {Encoding::kInt4, DType::kBF16, WeightLayout::kBF16Pairs},

    {Encoding::kF32, DType::kF16, WeightLayout::kF16},
    {Encoding::kF16, DType::kF16, WeightLayout::kF16},
    {Encoding::kBF16, DType::kF16, WeightLayout::kF16},
    {Encoding::kF8E4M3, DType::kF16, WeightLayout::kF16},
    {Encoding::kInt8, DType::kF16, WeightLayout::kF16},
    {Encoding::kInt4, DType::kF16, WeightLayout::kF16},
};

}  // namespace

WeightLayout choose_layout(const WeightFormat& format, DType activations) {
  for (const Choice& choice : kChoices) {
    if (choice.values == format.values && choice.activations == activations) return choice.layout;
  }
  MUST(false);  // activations are floats, and every encoding has its rows
  return WeightLayout::kF32;
}

}  // namespace pagoda::cpu
