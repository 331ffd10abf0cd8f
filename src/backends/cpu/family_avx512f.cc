// AVX-512 F, BW, DQ and VL: Intel since Skylake-X, AMD since Zen 4.
#include "backends/cpu/kernel_table.h"

namespace pagoda::cpu {

const Kernels& avx512f_kernels() {
  return kTable;
}

}  // namespace pagoda::cpu
