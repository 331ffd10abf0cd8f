#include "engine/world.h"

#include <algorithm>
#include <exception>

#include "base/str.h"
#include "comm/connect.h"
#include "engine/placement.h"

namespace pagoda {

World::World(const EngineConfig& config, const WeightSource& source, const OpenDevice& open,
             LoadProgress* progress)
    : threads_(config.parallel.tensor_parallel_size),
      runners_(static_cast<size_t>(config.parallel.tensor_parallel_size)) {
  std::vector<std::unique_ptr<Device>> devices(runners_.size());
  on_every_rank([&](int rank) {
    // First of all: the threads of the device inherit it, and memory comes from the node of who
    // touches it first.
    if (!config.parallel.places.empty()) {
      bind_this_thread(config.parallel.places[static_cast<size_t>(rank)].cpus);
    }
    devices[static_cast<size_t>(rank)] = open(rank);
  });
  group_ = connect_ranks(*devices[0], num_ranks());
  on_every_rank([&](int rank) {
    std::unique_ptr<Device>& device = devices[static_cast<size_t>(rank)];
    std::unique_ptr<Communicator> communicator = group_->join(rank, *device);
    runners_[static_cast<size_t>(rank)] = std::make_unique<Runner>(
        config, source, std::move(device), std::move(communicator), progress);
  });
  // Every rank reads of every tensor, but for whole experts, of which a rank has its own.
  if (num_ranks() == 1 || !config.parallel.expert_parallel) {
    log_unused_weights(runners_[0]->weights());
  }
  // Ranks are alike; where shares differ by padding, the neediest decides for all.
  RankMemory needs = runners_[0]->measure();
  for (const std::unique_ptr<Runner>& runner : runners_) {
    const RankMemory other = runner->measure();
    needs.state.raise_to(other.state);
    needs.workspace_bytes = std::max(needs.workspace_bytes, other.workspace_bytes);
    needs.host_bytes = std::max(needs.host_bytes, other.host_bytes);
    needs.memory.free_bytes = std::min(needs.memory.free_bytes, other.memory.free_bytes);
  }
  memory_ = plan_memory(config, config.model.facts(), needs);
  on_every_rank([&](int rank) { runners_[static_cast<size_t>(rank)]->allocate(memory_); });
}

int64_t World::weight_bytes() const {
  int64_t bytes = 0;
  for (const std::unique_ptr<Runner>& runner : runners_) bytes += runner->weight_bytes();
  return bytes;
}

int64_t World::padding_bytes() const {
  int64_t bytes = 0;
  for (const std::unique_ptr<Runner>& runner : runners_) bytes += runner->padding_bytes();
  return bytes;
}

void World::launch(const StepPlan& plan, std::span<const TokenId> sampled) {
  on_every_rank([&](int rank) { runners_[static_cast<size_t>(rank)]->launch(plan, sampled); });
}

StepOutput World::collect() {
  StepOutput output;
  on_every_rank([&](int rank) {
    const StepOutput mine = runners_[static_cast<size_t>(rank)]->collect();
    if (rank == 0) output = mine;
  });
  return output;
}

void World::on_every_rank(FunctionRef<void(int rank)> job) {
  threads_.run([&](int rank) {
    try {
      job(rank);
    } catch (const Error& e) {
      note_failure(rank, e.kind(), e.what());
    } catch (const std::exception& e) {
      note_failure(rank, ErrorKind::kDevice, e.what());
    }
  });
  const MutexLock lock(mutex_);
  if (failure_) throw Error(*failure_);
}

// Ranks that the failure of another lets go throw as well; the first one is the cause.
void World::note_failure(int rank, ErrorKind kind, const std::string& what) {
  const std::string reason = num_ranks() == 1 ? what : str("rank ", rank, ": ", what);
  {
    const MutexLock lock(mutex_);
    if (failure_) return;
    failure_.emplace(kind, reason);
  }
  if (group_ != nullptr) group_->abort(reason);
}

}  // namespace pagoda
