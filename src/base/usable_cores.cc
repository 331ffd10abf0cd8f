#include "base/usable_cores.h"

#include <sched.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/cgroup.h"
#include "base/str.h"

namespace pagoda {

namespace fs = std::filesystem;

int usable_cores(const fs::path& root) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  // Hyperthreads of one core share its vector units: one worker for them.
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const fs::path siblings =
        root / "sys/devices/system/cpu" / str("cpu", cpu) / "topology/thread_siblings_list";
    cores.insert(read_if_there(siblings).value_or(str(cpu)));
  }
  const auto count = static_cast<int>(cores.size());
  return std::max(1, std::min(count, cpu_quota(root).value_or(count)));
}

}  // namespace pagoda
