// The instruction families of the CPU: which are built, which this machine has, which serves.
//
// Thread rule: pure functions, but asking whether AMX is here also asks the system for permission
// to use it, which must happen before the threads that will use it start.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "backends/cpu/kernels.h"

namespace pagoda::cpu {

struct Family {
  std::string_view name;  // as --backend cpu:<name> takes it
  const Kernels& (*kernels)();
  bool (*is_here)();
};

// Best first. The last one works everywhere.
std::span<const Family> all_families();
// The names of those that this machine has, best first: "avx512f, avx2, portable".
std::string names_here();
// The best one if the name is empty. Throws kConfig where this machine has none of that name.
const Family& choose_family(std::string_view name);

}  // namespace pagoda::cpu
