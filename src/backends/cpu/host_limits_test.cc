#include "backends/cpu/host_limits.h"

#include <doctest/doctest.h>

#include "base/str.h"
#include "base/test_root.h"

namespace pagoda::cpu {
namespace {

// A machine of 1000 kB.
struct Machine : FakeRoot {
  Machine() {
    write("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable:   800 kB\n");
  }
};

constexpr int64_t kKiB = 1024;

}  // namespace

TEST_CASE("without a cgroup the memory is that of the machine") {
  const Machine root;
  const DeviceMemory memory = host_memory(root.path());
  CHECK(memory.total_bytes == 1000 * kKiB);
  CHECK(memory.free_bytes == 800 * kKiB);
}

TEST_CASE("a cgroup of version 2 leaves its limit less what it uses, without file pages") {
  const Machine root;
  root.write("proc/self/cgroup", "0::/service\n");
  root.write("sys/fs/cgroup/service/memory.max", str(500 * kKiB, "\n"));
  root.write("sys/fs/cgroup/service/memory.current", str(300 * kKiB, "\n"));
  root.write("sys/fs/cgroup/service/memory.stat",
             str("anon 1\ninactive_file ", 40 * kKiB, "\nactive_file ", 60 * kKiB, "\n"));
  const DeviceMemory memory = host_memory(root.path());
  CHECK(memory.total_bytes == 500 * kKiB);
  CHECK(memory.free_bytes == 300 * kKiB);
}

TEST_CASE("a cgroup above that allows less counts") {
  const Machine root;
  root.write("proc/self/cgroup", "0::/slice/service\n");
  root.write("sys/fs/cgroup/slice/service/memory.max", "max\n");
  root.write("sys/fs/cgroup/slice/service/memory.current", "0\n");
  root.write("sys/fs/cgroup/slice/memory.max", str(200 * kKiB));
  root.write("sys/fs/cgroup/slice/memory.current", str(50 * kKiB));
  CHECK(host_memory(root.path()).total_bytes == 200 * kKiB);
  CHECK(host_memory(root.path()).free_bytes == 150 * kKiB);
}

TEST_CASE("inside a container the limit stands at the root of the mount") {
  const Machine root;
  root.write("proc/self/cgroup", "0::/docker/0123456789\n");
  root.write("sys/fs/cgroup/memory.max", str(400 * kKiB));
  root.write("sys/fs/cgroup/memory.current", str(100 * kKiB));
  CHECK(host_memory(root.path()).free_bytes == 300 * kKiB);
}

TEST_CASE("a cgroup of version 1 counts, too, and its number for no limit does not") {
  const Machine root;
  root.write("proc/self/cgroup", "5:cpuset:/\n4:memory:/box\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "12345\n");
  CHECK(host_memory(root.path()).free_bytes == 800 * kKiB);
  root.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", str(300 * kKiB));
  root.write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", str(200 * kKiB));
  root.write("sys/fs/cgroup/memory/box/memory.stat",
             str("total_inactive_file ", 100 * kKiB, "\ntotal_active_file 0\n"));
  CHECK(host_memory(root.path()).total_bytes == 300 * kKiB);
  CHECK(host_memory(root.path()).free_bytes == 200 * kKiB);
}

}  // namespace pagoda::cpu
