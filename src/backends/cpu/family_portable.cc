// Plain C++: for machines without any of the other instruction sets.
#include "backends/cpu/kernel_table.h"

namespace pagoda::cpu {

const Kernels& portable_kernels() {
  return kTable;
}

}  // namespace pagoda::cpu
