// NEON of 64-bit Arm.
#include "backends/cpu/kernel_table.h"

namespace pagoda::cpu {

const Kernels& neon_kernels() {
  return kTable;
}

}  // namespace pagoda::cpu
