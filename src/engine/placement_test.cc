#include "engine/placement.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <algorithm>
#include <thread>

#include "base/error.h"

namespace pagoda {
namespace {

using Cpus = std::vector<int>;
using Sets = std::vector<Cpus>;

// Cores 0, 1, ... with one hardware thread each, so many on each node.
Topology machine(const std::vector<int>& cores_of_node) {
  Topology topology;
  for (size_t node = 0; node < cores_of_node.size(); ++node) {
    for (int i = 0; i < cores_of_node[node]; ++i) {
      topology.cores.push_back({static_cast<int>(node), {topology.most_busy++}});
    }
  }
  return topology;
}

Sets sets_of(const PlacementRequest& request, const Topology& topology) {
  Sets sets;
  for (const RankPlace& place : place_ranks(request, topology)) sets.push_back(place.cpus);
  return sets;
}

std::vector<int> threads_of(const PlacementRequest& request, const Topology& topology) {
  std::vector<int> threads;
  for (const RankPlace& place : place_ranks(request, topology)) threads.push_back(place.threads);
  return threads;
}

std::string refusal(const PlacementRequest& request, const Topology& topology) {
  try {
    place_ranks(request, topology);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("one rank floats over all cores, one thread a core") {
  CHECK(sets_of({}, machine({4, 4})) == Sets{{}});
  CHECK(threads_of({}, machine({4, 4})) == std::vector{8});
}

TEST_CASE("ranks go to NUMA nodes first, then to sets of cores within a node") {
  CHECK(sets_of({.ranks = 2}, machine({3, 3})) == Sets{{0, 1, 2}, {3, 4, 5}});
  CHECK(sets_of({.ranks = 4}, machine({4, 4})) == Sets{{0, 1}, {2, 3}, {4, 5}, {6, 7}});
  CHECK(sets_of({.ranks = 3}, machine({4, 4})) == Sets{{0, 1}, {2, 3}, {4, 5, 6, 7}});
  CHECK(sets_of({.ranks = 2}, machine({1, 1, 1, 1})) == Sets{{0, 1}, {2, 3}});
}

TEST_CASE("a rank crosses into another node where staying would leave it few cores") {
  CHECK(sets_of({.ranks = 2}, machine({6, 2})) == Sets{{0, 1, 2, 3}, {4, 5, 6, 7}});
  CHECK(sets_of({.ranks = 3}, machine({1, 2})) == Sets{{0}, {1}, {2}});
}

TEST_CASE("a set holds all hardware threads of its cores, but one worker a core") {
  const Topology hyperthreads = {.cores = {{0, {0, 2}}, {0, {1, 3}}}, .most_busy = 2};
  CHECK(sets_of({.ranks = 2}, hyperthreads) == Sets{{0, 2}, {1, 3}});
  CHECK(threads_of({.ranks = 2}, hyperthreads) == std::vector{1, 1});
}

TEST_CASE("more ranks than cores float with one thread each") {
  CHECK(sets_of({.ranks = 3}, machine({2})) == Sets{{}, {}, {}});
  CHECK(threads_of({.ranks = 3}, machine({2})) == std::vector{1, 1, 1});
}

TEST_CASE("a CPU quota limits the threads, not where they run") {
  Topology quota = machine({8});
  quota.most_busy = 4;
  CHECK(threads_of({.ranks = 2}, quota) == std::vector{2, 2});
  CHECK(sets_of({.ranks = 2}, quota) == Sets{{0, 1, 2, 3}, {4, 5, 6, 7}});
}

TEST_CASE("fewer threads than cores do not narrow the set, so that two services can share a host") {
  const PlacementRequest small = {.ranks = 2, .threads = 1};
  CHECK(sets_of(small, machine({8})) == Sets{{0, 1, 2, 3}, {4, 5, 6, 7}});
  CHECK(threads_of(small, machine({8})) == std::vector{1, 1});
}

TEST_CASE("reserved cores are left to others") {
  CHECK(sets_of({.reserved = 1}, machine({4})) == Sets{{0, 1, 2}});
  CHECK(sets_of({.ranks = 2, .reserved = 2}, machine({6})) == Sets{{0, 1}, {2, 3}});
  CHECK(refusal({.ranks = 2, .reserved = 5}, machine({6})) ==
        "VLLM_CPU_NUM_OF_RESERVED_CPU: 5 of 6 cores leaves fewer than one core a rank "
        "(--tensor-parallel-size 2); reserve at most 4");
}

TEST_CASE("unbound ranks share the cores out by their number of threads") {
  const PlacementRequest unbound = {.ranks = 2, .binding = Binding::kNone};
  CHECK(sets_of(unbound, machine({3, 3})) == Sets{{}, {}});
  CHECK(threads_of(unbound, machine({3, 3})) == std::vector{3, 3});
}

TEST_CASE("a list binds its rank and has a thread an entry, or as many as were asked for") {
  PlacementRequest lists = {.ranks = 2, .binding = Binding::kLists, .lists = {{0, 1, 2}, {4, 5}}};
  CHECK(sets_of(lists, machine({6})) == Sets{{0, 1, 2}, {4, 5}});
  CHECK(threads_of(lists, machine({6})) == std::vector{3, 2});
  lists.threads = 1;
  CHECK(threads_of(lists, machine({6})) == std::vector{1, 1});
  lists.threads = 64;
  CHECK(threads_of(lists, machine({6})) == std::vector{3, 2});
}

TEST_CASE("lists that do not fit the ranks or the machine are refused with the remedy") {
  CHECK(refusal({.ranks = 2, .binding = Binding::kLists, .lists = {{0, 1}}}, machine({6})) ==
        "VLLM_CPU_OMP_THREADS_BIND: there are 1 lists of cores for 2 ranks "
        "(--tensor-parallel-size); give one list a rank with | between them, or auto");
  CHECK(refusal({.binding = Binding::kLists, .lists = {{5, 6}}}, machine({6})) ==
        "VLLM_CPU_OMP_THREADS_BIND: core 6 is not one that this process may use; choose among "
        "0-5, or auto");
}

TEST_CASE("the log shows where ranks are") {
  const Topology two_nodes = machine({2, 2});
  CHECK(describe(place_ranks({.ranks = 2}, two_nodes), two_nodes) ==
        std::vector<std::string>{"Placement: rank 0 has 2 threads on cores 0-1 (NUMA node 0)",
                                 "Placement: rank 1 has 2 threads on cores 2-3 (NUMA node 1)"});
  CHECK(describe(place_ranks({}, two_nodes), two_nodes) ==
        std::vector<std::string>{
            "Placement: 1 rank of 4 threads, not bound, on cores 0-3 (NUMA nodes 0-1)"});
}

TEST_CASE("the topology of this machine is within the affinity of the thread that asks") {
  const Topology topology = read_topology();
  REQUIRE_FALSE(topology.cores.empty());
  CHECK(topology.most_busy >= 1);
  const int first = topology.cores.front().cpus.front();
  std::thread([&] {
    bind_this_thread({first});
    CHECK(sched_getcpu() == first);
    const Topology bound = read_topology();
    REQUIRE(bound.cores.size() == 1);
    CHECK(bound.cores[0].cpus == Cpus{first});
  }).join();
}

}  // namespace
}  // namespace pagoda
