// All ranks: each on a thread of its own, rank 0 on the thread that calls. With one rank there is
// no other thread.
//
// What fails on one rank fails the whole world with one line that names the rank and the cause;
// ranks that wait for the failed one are let go.
//
// Thread rule: constructor, launch() and collect() on the engine thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "base/thread_team.h"
#include "engine/runner.h"
#include "engine/step_runner.h"
#include "tensor/communicator.h"

namespace pagoda {

class World final : public StepRunner {
 public:
  // Loads the weights of all ranks, plans and reserves memory. `source` is read only here.
  World(const EngineConfig& config, const WeightSource& source, const OpenDevice& open,
        LoadProgress* progress);

  const MemoryPlan& memory() const { return memory_; }
  std::string description() const { return runners_[0]->description(); }
  // Null: the model sees no pictures.
  const ImageEncoder* image_encoder() const { return runners_[0]->image_encoder(); }
  int64_t weight_bytes() const;   // of all ranks
  int64_t padding_bytes() const;  // of those, zeros

  // These throw what the first rank that failed threw; then the world is done for. Every rank runs
  // the plan.
  void launch(const StepPlan& plan, std::span<const TokenId> sampled) override;
  StepOutput collect() override;

 private:
  int num_ranks() const { return static_cast<int>(runners_.size()); }
  void on_every_rank(FunctionRef<void(int rank)> job);
  void note_failure(int rank, ErrorKind kind, const std::string& what);

  ThreadTeam threads_;                        // worker i is rank i
  std::unique_ptr<CommunicatorGroup> group_;  // from when the devices are open
  std::vector<std::unique_ptr<Runner>> runners_;
  MemoryPlan memory_ = {};
  Mutex mutex_;
  std::optional<Error> failure_ GUARDED_BY(mutex_);  // the first
};

}  // namespace pagoda
