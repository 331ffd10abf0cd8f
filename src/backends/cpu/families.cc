#include "backends/cpu/families.h"

#include "base/error.h"
#include "base/str.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace pagoda::cpu {
namespace {

bool anywhere() {
  return true;
}

#if defined(__x86_64__)

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

bool has_avx512f() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_avx512bf16() {
  return has_avx512f() && __builtin_cpu_supports("avx512bf16");
}

constexpr Family kFamilies[] = {
    {"avx512bf16", &avx512bf16_kernels, &has_avx512bf16},
    {"avx512f", &avx512f_kernels, &has_avx512f},
    {"avx2", &avx2_kernels, &has_avx2},
    {"portable", &portable_kernels, &anywhere},
};

#elif defined(__aarch64__)

constexpr Family kFamilies[] = {
    {"neon", &neon_kernels, &anywhere},
    {"portable", &portable_kernels, &anywhere},
};

#else

constexpr Family kFamilies[] = {{"portable", &portable_kernels, &anywhere}};

#endif

}  // namespace

std::span<const Family> all_families() {
  return kFamilies;
}

std::string names_here() {
  std::string names;
  for (const Family& family : kFamilies) {
    if (family.is_here()) names += str(names.empty() ? "" : ", ", family.name);
  }
  return names;
}

const Family& choose_family(std::string_view name) {
  for (const Family& family : kFamilies) {
    if ((name.empty() || name == family.name) && family.is_here()) return family;
  }
  throw Error(ErrorKind::kConfig, str("--backend cpu:", name, ": this machine does not have \"",
                                      name, "\"; it has ", names_here()));
}

}  // namespace pagoda::cpu
