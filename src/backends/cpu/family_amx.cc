// AVX512-BF16, and AMX for products of bfloat16: Intel since Sapphire Rapids.
#include "backends/cpu/amx_unit.h"
#include "backends/cpu/kernel_table.h"

namespace pagoda::cpu {
namespace {

constexpr Kernels with_amx() {
  Kernels kernels = kTable;
  kernels.matmul[static_cast<int>(WeightLayout::kBF16Pairs)] = amx_matmul_kernels<AmxUnit>();
  return kernels;
}
constexpr Kernels kAmxTable = with_amx();

}  // namespace

const Kernels& amx_kernels() {
  return kAmxTable;
}

}  // namespace pagoda::cpu
