// Which cores each rank runs on: ranks go to NUMA nodes first, then to sets of cores within them.
//
// A rank is bound to a set, and its threads move freely inside it; nothing is ever pinned to one
// core. The automatic sets are all the cores of this process dealt out, also where fewer threads
// are wanted. So two services on a host, even in two containers that cannot see each other, never
// insist on the same core while others idle: the kernel spreads the threads of both.
//
// Thread rule: pure functions, but for read_topology() and bind_this_thread().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config.h"

namespace pagoda {

// What this process may use of the machine.
struct Topology {
  struct Core {
    int numa_node;          // as the system numbers it
    std::vector<int> cpus;  // its hardware threads
  };
  std::vector<Core> cores;  // neighbours side by side, so all of a NUMA node are
  int most_busy = 0;        // cores that a CPU quota allows to be busy at once
};
// By hwloc: within the cgroup and the affinity of the calling thread.
Topology read_topology();

enum class Binding : uint8_t {
  kAuto,   // by NUMA nodes and sets of cores
  kNone,   // threads go where the system puts them
  kLists,  // as listed
};

struct PlacementRequest {
  int ranks = 1;
  int threads = 0;  // of each rank; 0: one a core
  Binding binding = Binding::kAuto;
  int64_t reserved = 0;                      // cores that kAuto leaves to others
  std::vector<std::vector<int>> lists = {};  // for kLists: hardware threads of each rank
};

// Throws kConfig where there are too few cores, or the lists do not fit ranks and machine.
std::vector<RankPlace> place_ranks(const PlacementRequest& request, const Topology& topology);

// Lines for the log.
std::vector<std::string> describe(const std::vector<RankPlace>& places, const Topology& topology);

// The calling thread and the threads that it starts from now on. Where the system refuses (some
// sandboxes do) they stay unbound, which costs speed only. Empty: nothing changes.
void bind_this_thread(const std::vector<int>& cpus);

}  // namespace pagoda
