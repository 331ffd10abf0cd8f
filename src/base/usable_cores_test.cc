#include "base/usable_cores.h"

#include <doctest/doctest.h>

#include "base/test_root.h"

namespace pagoda {

TEST_CASE("a CPU quota limits the cores, rounded up") {
  const FakeRoot root;
  const int all = usable_cores(root.path());
  CHECK(all >= 1);
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/cpu.max", "max 100000\n");
  CHECK(usable_cores(root.path()) == all);
  root.write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  CHECK(usable_cores(root.path()) == 1);
}

TEST_CASE("hyperthreads of one core count once") {
  const FakeRoot root;
  for (int cpu = 0; cpu < 1024; ++cpu) {
    root.write(str("sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list"),
               "0-1023\n");
  }
  CHECK(usable_cores(root.path()) == 1);
}

}  // namespace pagoda
