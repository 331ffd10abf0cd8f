#include "backends/cpu/families.h"

#include <algorithm>
#include <iterator>

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
  constexpr unsigned kF16c = 1u << 29;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & kF16c) != 0;
}

bool has_avx512f() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_avx512bf16() {
  constexpr unsigned kAvx512Bf16 = 1u << 5;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx512f() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvx512Bf16) != 0;
}

// Tiles are 8 KiB of state a thread, so Linux gives them only to who asks, before threads start
// (Documentation/x86/xstate.rst).
bool has_amx() {
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!has_avx512bf16() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

constexpr Family kFamilies[] = {
    {"amx", &amx_kernels, &has_amx},
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
  const bool built = std::any_of(std::begin(kFamilies), std::end(kFamilies),
                                 [&](const Family& family) { return family.name == name; });
  throw Error(ErrorKind::kConfig, str("--backend cpu:", name, ": ",
                                      built ? "this machine does not have it; it has "
                                            : "no instruction set of that name; this machine has ",
                                      names_here()));
}

}  // namespace pagoda::cpu
