// AVX2 with FMA and F16C: Intel since Haswell, AMD since Zen.
#include "backends/cpu/kernel_table.h"

namespace pagoda::cpu {

const Kernels& avx2_kernels() {
  return kTable;
}

}  // namespace pagoda::cpu
