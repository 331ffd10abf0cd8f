// What hwloc knows of the machine. The only file that includes it.
#include <hwloc.h>

#include <algorithm>
#include <memory>

#include "base/cgroup.h"
#include "base/error.h"
#include "engine/placement.h"

namespace pagoda {
namespace {

struct DestroyTopology {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using HwlocTopology = std::unique_ptr<hwloc_topology, DestroyTopology>;

struct FreeBitmap {
  void operator()(hwloc_bitmap_t bitmap) const { hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<hwloc_bitmap_s, FreeBitmap>;

HwlocTopology load_topology() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    throw Error(ErrorKind::kDevice, "hwloc cannot begin to read the machine's topology");
  }
  HwlocTopology topology(raw);
  if (hwloc_topology_load(raw) != 0) {
    throw Error(ErrorKind::kDevice,
                "hwloc cannot read the machine's topology; is /sys there in this container?");
  }
  return topology;
}

std::vector<int> members_of(hwloc_const_bitmap_t bitmap) {
  std::vector<int> members;
  for (int i = hwloc_bitmap_first(bitmap); i >= 0; i = hwloc_bitmap_next(bitmap, i)) {
    members.push_back(i);
  }
  return members;
}

}  // namespace

Topology read_topology() {
  const HwlocTopology machine = load_topology();
  const Bitmap bound(hwloc_bitmap_alloc()), usable(hwloc_bitmap_alloc());
  if (hwloc_get_cpubind(machine.get(), bound.get(), HWLOC_CPUBIND_THREAD) != 0) {
    hwloc_bitmap_fill(bound.get());
  }
  // Some virtual machines do not say which hardware threads make a core.
  const bool has_cores = hwloc_get_nbobjs_by_type(machine.get(), HWLOC_OBJ_CORE) > 0;
  const hwloc_obj_type_t type = has_cores ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
  Topology topology;
  for (hwloc_obj_t core = nullptr;
       (core = hwloc_get_next_obj_by_type(machine.get(), type, core)) != nullptr;) {
    hwloc_bitmap_and(usable.get(), core->cpuset, bound.get());
    if (hwloc_bitmap_iszero(usable.get()) != 0) continue;
    topology.cores.push_back({.numa_node = std::max(0, hwloc_bitmap_first(core->nodeset)),
                              .cpus = members_of(usable.get())});
  }
  const auto cores = static_cast<int>(topology.cores.size());
  topology.most_busy = std::max(1, std::min(cores, cpu_quota("/").value_or(cores)));
  return topology;
}

}  // namespace pagoda
