#include "engine/placement.h"

#include <sched.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

using Cores = std::vector<Topology::Core>;

// "0-3,8"
std::string ranges_of(const std::vector<int>& numbers) {
  const std::set<int> sorted(numbers.begin(), numbers.end());
  std::string text;
  for (auto at = sorted.begin(); at != sorted.end();) {
    const int first = *at;
    int last = first;
    while (++at != sorted.end() && *at == last + 1) ++last;
    text += str(text.empty() ? "" : ",", first);
    if (last > first) text += str("-", last);
  }
  return text;
}

std::vector<int> cpus_of(const Cores& cores) {
  std::vector<int> cpus;
  for (const Topology::Core& core : cores) {
    cpus.insert(cpus.end(), core.cpus.begin(), core.cpus.end());
  }
  return cpus;
}

Cores slice(const Cores& cores, size_t index, size_t count) {
  const size_t first = cores.size() * index / count, last = cores.size() * (index + 1) / count;
  return {cores.begin() + static_cast<std::ptrdiff_t>(first),
          cores.begin() + static_cast<std::ptrdiff_t>(last)};
}

std::vector<Cores> split_by_node(const Cores& cores) {
  std::vector<Cores> nodes;
  for (const Topology::Core& core : cores) {
    if (nodes.empty() || nodes.back().front().numa_node != core.numa_node) nodes.emplace_back();
    nodes.back().push_back(core);
  }
  return nodes;
}

// Nodes [first, last).
Cores joined(const std::vector<Cores>& nodes, size_t first, size_t last) {
  Cores cores;
  for (size_t n = first; n < last; ++n) {
    cores.insert(cores.end(), nodes[n].begin(), nodes[n].end());
  }
  return cores;
}

// Whole nodes to a rank, or a node to some ranks that share its cores out.
std::vector<Cores> deal_along_nodes(const Cores& cores, size_t ranks) {
  const std::vector<Cores> nodes = split_by_node(cores);
  std::vector<Cores> shares;
  for (size_t rank = 0; rank < ranks; ++rank) {
    if (ranks < nodes.size()) {
      shares.push_back(
          joined(nodes, rank * nodes.size() / ranks, (rank + 1) * nodes.size() / ranks));
      continue;
    }
    const size_t node = rank * nodes.size() / ranks;
    const auto first_rank = [&](size_t n) { return (n * ranks + nodes.size() - 1) / nodes.size(); };
    const size_t first = first_rank(node), last = first_rank(node + 1);
    shares.push_back(slice(nodes[node], rank - first, last - first));
  }
  return shares;
}

std::vector<Cores> deal_evenly(const Cores& cores, size_t ranks) {
  std::vector<Cores> shares;
  for (size_t rank = 0; rank < ranks; ++rank) shares.push_back(slice(cores, rank, ranks));
  return shares;
}

size_t smallest(const std::vector<Cores>& shares) {
  size_t least = SIZE_MAX;
  for (const Cores& share : shares) least = std::min(least, share.size());
  return least;
}

// All ranks do the same work, so the one with the fewest cores sets the pace. Borders of nodes are
// kept while they take less than a quarter of that pace; beyond it, reading from the other node
// costs less.
std::vector<Cores> deal(const Cores& cores, size_t ranks) {
  std::vector<Cores> along = deal_along_nodes(cores, ranks), even = deal_evenly(cores, ranks);
  return 4 * smallest(along) >= 3 * smallest(even) ? along : even;
}

Cores unreserved(const PlacementRequest& request, const Topology& topology) {
  const auto all = static_cast<int64_t>(topology.cores.size());
  const int64_t usable = all - request.reserved;
  if (request.reserved > 0 && usable < request.ranks) {
    throw Error(
        ErrorKind::kConfig,
        str("VLLM_CPU_NUM_OF_RESERVED_CPU: ", request.reserved, " of ", all,
            " cores leaves fewer than one core a rank (--tensor-parallel-size ", request.ranks,
            "); reserve ", all > request.ranks ? str("at most ", all - request.ranks) : "none"));
  }
  return {topology.cores.begin(), topology.cores.begin() + static_cast<std::ptrdiff_t>(usable)};
}

int threads_of(const PlacementRequest& request, const Topology& topology, size_t cores) {
  if (request.threads > 0) return request.threads;
  const int allowed = std::max(1, topology.most_busy / request.ranks);
  return std::clamp(static_cast<int>(cores), 1, allowed);
}

std::vector<RankPlace> place_unbound(const PlacementRequest& request, const Topology& topology,
                                     const std::vector<int>& cpus) {
  const size_t cores = topology.cores.size() / static_cast<size_t>(request.ranks);
  const RankPlace place = {.threads = threads_of(request, topology, cores), .cpus = cpus};
  return std::vector<RankPlace>(static_cast<size_t>(request.ranks), place);
}

std::vector<RankPlace> place_by_nodes(const PlacementRequest& request, const Topology& topology) {
  const Cores cores = unreserved(request, topology);
  const auto ranks = static_cast<size_t>(request.ranks);
  // A set of all cores binds nothing, and with more ranks than cores no set would be fair.
  if (cores.size() < ranks || (ranks == 1 && request.reserved == 0)) {
    return place_unbound(request, topology, {});
  }
  std::vector<RankPlace> places;
  for (const Cores& share : deal(cores, ranks)) {
    places.push_back(
        {.threads = threads_of(request, topology, share.size()), .cpus = cpus_of(share)});
  }
  return places;
}

[[noreturn]] void refuse_lists(const std::string& message) {
  throw Error(ErrorKind::kConfig, str("VLLM_CPU_OMP_THREADS_BIND: ", message));
}

// A list has a thread for each of its entries; --cpu-threads or OMP_NUM_THREADS may ask for fewer.
std::vector<RankPlace> place_by_lists(const PlacementRequest& request, const Topology& topology) {
  if (request.lists.size() != static_cast<size_t>(request.ranks)) {
    refuse_lists(str("there are ", request.lists.size(), " lists of cores for ", request.ranks,
                     " ranks (--tensor-parallel-size); give one list a rank with | between them, "
                     "or auto"));
  }
  const std::vector<int> all = cpus_of(topology.cores);
  std::vector<RankPlace> places;
  for (const std::vector<int>& list : request.lists) {
    for (const int cpu : list) {
      if (std::find(all.begin(), all.end(), cpu) != all.end()) continue;
      refuse_lists(str("core ", cpu, " is not one that this process may use; choose among ",
                       ranges_of(all), ", or auto"));
    }
    const auto most = static_cast<int>(list.size());
    places.push_back(
        {.threads = request.threads > 0 ? std::min(request.threads, most) : most, .cpus = list});
  }
  return places;
}

std::string nodes_of(const std::vector<int>& cpus, const Topology& topology) {
  std::vector<int> nodes;
  for (const Topology::Core& core : topology.cores) {
    const bool is_used = std::any_of(core.cpus.begin(), core.cpus.end(), [&](int cpu) {
      return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end();
    });
    if (is_used) nodes.push_back(core.numa_node);
  }
  const std::string ranges = ranges_of(nodes);
  return str(ranges.find_first_of(",-") == std::string::npos ? "NUMA node " : "NUMA nodes ",
             ranges);
}

std::string threads_text(int threads) {
  return str(threads, threads == 1 ? " thread" : " threads");
}

}  // namespace

std::vector<RankPlace> place_ranks(const PlacementRequest& request, const Topology& topology) {
  switch (request.binding) {
    case Binding::kAuto: return place_by_nodes(request, topology);
    case Binding::kNone: return place_unbound(request, topology, {});
    case Binding::kLists: return place_by_lists(request, topology);
  }
  return {};
}

std::vector<std::string> describe(const std::vector<RankPlace>& places, const Topology& topology) {
  std::vector<std::string> lines;
  for (size_t rank = 0; rank < places.size(); ++rank) {
    const RankPlace& place = places[rank];
    if (place.cpus.empty()) continue;
    lines.push_back(str("Placement: rank ", rank, " has ", threads_text(place.threads),
                        " on cores ", ranges_of(place.cpus), " (", nodes_of(place.cpus, topology),
                        ")"));
  }
  if (!lines.empty() || places.empty()) return lines;
  const std::vector<int> all = cpus_of(topology.cores);
  return {str("Placement: ", places.size(), places.size() == 1 ? " rank" : " ranks", " of ",
              threads_text(places[0].threads), ", not bound, on cores ", ranges_of(all), " (",
              nodes_of(all, topology), ")")};
}

void bind_this_thread(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace pagoda
