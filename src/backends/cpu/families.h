// The instruction families of the CPU: which are built, which this machine has, which serves.
//
// Thread rule: pure functions, but the first call of choose_family("amx") or best_family() asks the
// system for permission to use AMX; threads that exist by then do not get it on every kernel, so
// devices are opened before the process starts workers of its own.
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
