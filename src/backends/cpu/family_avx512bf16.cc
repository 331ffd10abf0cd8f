// AVX-512 with dot products of bfloat16: AMD since Zen 4, Intel Cooper Lake and Sapphire Rapids.
#include "backends/cpu/kernel_table.h"

namespace pagoda::cpu {

const Kernels& avx512bf16_kernels() {
  return kTable;
}

}  // namespace pagoda::cpu
