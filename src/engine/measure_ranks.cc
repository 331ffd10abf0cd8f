#include "engine/measure_ranks.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "base/thread_team.h"
#include "base/usable_cores.h"
#include "engine/rank_count.h"
#include "engine/runner.h"
#include "load/random_weights.h"
#include "load/weight_schemes.h"
#include "models/model.h"
#include "tensor/idle_ops.h"

namespace pagoda {
namespace {

class ShapeOnly final : public StoredTensor {
 public:
  explicit ShapeOnly(Encoding encoding) : encoding_(encoding) {}
  Encoding encoding() const override { return encoding_; }
  // Vectors are small and converted while they are loaded: any numbers do.
  const std::byte* read(int64_t /*first*/, int64_t count, std::byte* scratch) const override {
    std::memset(scratch, 0, static_cast<size_t>(bytes_of(encoding_, count)));
    return scratch;
  }

 private:
  const Encoding encoding_;
};

class Shapes final : public WeightSource {
 public:
  explicit Shapes(std::unique_ptr<WeightSource> names) : names_(std::move(names)) {}

  bool has(std::string_view name) const override { return names_->has(name); }
  std::unique_ptr<StoredTensor> open(const std::string& name, std::span<const int64_t> shape,
                                     Numbers numbers) const override {
    return std::make_unique<ShapeOnly>(names_->open(name, shape, numbers)->encoding());
  }
  // As of random weights, so that no rank keeps account of what it leaves unused: among the 45,000
  // tensors of DeepSeek-V3 that takes longer than all the rest.
  std::vector<std::string> names() const override { return {}; }
  int64_t total_bytes() const override { return 0; }
  std::optional<Encoding> first_encoding() const override { return names_->first_encoding(); }
  std::string description() const override { return names_->description(); }

 private:
  const std::unique_ptr<WeightSource> names_;
};

class CountedMatrix final : public Matrix {
 public:
  CountedMatrix(const MatrixSpec& spec, int64_t bytes) : spec_(spec), bytes_(bytes) {}
  const MatrixSpec& spec() const override { return spec_; }
  int64_t bytes() const override { return bytes_; }

 private:
  const MatrixSpec spec_;
  const int64_t bytes_;
};

// Counts what another device would keep.
class CountingDevice final : public Device {
 public:
  explicit CountingDevice(std::unique_ptr<Device> counted) : counted_(std::move(counted)) {}

  std::string description() const override { return counted_->description(); }
  Ops& ops() override { return ops_; }
  std::unique_ptr<Matrix> make_matrix(const MatrixSpec& spec,
                                      const PanelReader& /*reader*/) override {
    return std::make_unique<CountedMatrix>(spec, counted_->matrix_bytes(spec));
  }
  int64_t matrix_bytes(const MatrixSpec& spec) const override {
    return counted_->matrix_bytes(spec);
  }
  int64_t kv_block_size(int64_t wanted) const override { return counted_->kv_block_size(wanted); }
  int64_t kv_block_bytes(const KvShape& shape, int64_t block_size) const override {
    return counted_->kv_block_bytes(shape, block_size);
  }
  std::unique_ptr<IdleOps> idle_ops() const override { return counted_->idle_ops(); }
  DeviceMemory memory() const override { return counted_->memory(); }
  // Address space only: nothing is ever copied in.
  Buffer allocate(int64_t bytes) override { return reserve_host_memory(bytes); }
  void copy_in(Tensor /*device*/, const void* /*host*/) override {}
  void copy_out(void* /*host*/, Tensor /*device*/) override {}
  void synchronize() override {}

 private:
  const std::unique_ptr<Device> counted_;
  IdleOps ops_;
};

// Rotary tables are all that grows with the longest context. They grow evenly, so two short ones
// tell how large a long one is, and no cosine of 100,000 positions is computed for each rank.
constexpr int64_t kShort = 64, kLonger = 128;

struct Rank {
  const ParallelConfig* layout;
  int rank;
  int alike = 1;  // so many ranks, this one included, are like it
};

int64_t max_positions(const EngineConfig& config) {
  return config.model.max_model_len.value_or(config.model.facts().max_positions);
}

// What the rank with the most threads needs, whichever that is.
ParallelConfig with_equal_threads(ParallelConfig layout) {
  int most = 0;
  for (const RankPlace& place : layout.places) most = std::max(most, place.threads);
  for (RankPlace& place : layout.places) place.threads = most;
  return layout;
}

RanksNeed measure_rank(EngineConfig config, const Rank& one, int64_t positions,
                       const WeightSource& shapes) {
  const int64_t longest = max_positions(config);
  config.model.max_model_len = positions;
  config.parallel = with_equal_threads(*one.layout);
  const Runner runner(
      config, shapes, std::make_unique<CountingDevice>(open_by_config(config)(one.rank)),
      std::make_unique<IdleCommunicator>(one.rank, one.layout->tensor_parallel_size), nullptr);
  const RankMemory memory = runner.measure_for(longest);
  return {.weight_bytes = runner.weight_bytes(),
          .padding_bytes = runner.padding_bytes(),
          .rank_weight_bytes = runner.weight_bytes(),
          .state = memory.state,
          .workspace_bytes = memory.workspace_bytes,
          .host_bytes = memory.host_bytes};
}

// What the tables of all positions take beyond those that measure_rank(kShort) counts.
int64_t rest_of_tables(const EngineConfig& config, const ParallelConfig& layout,
                       const WeightSource& shapes) {
  const RanksNeed less = measure_rank(config, {&layout, 0}, kShort, shapes);
  const RanksNeed more = measure_rank(config, {&layout, 0}, kLonger, shapes);
  return (more.weight_bytes - less.weight_bytes) * (max_positions(config) - kShort) /
         (kLonger - kShort);
}

// Rank 0 keeps the biases that are added once. Where nothing is padded but the vocabulary, at the
// end of the last rank, those between the two are alike. Weights in groups are dealt group by
// group, of which some ranks may have none, however evenly the model's sizes divide.
std::vector<Rank> ranks_to_measure(const EngineConfig& config,
                                   const std::vector<ParallelConfig>& layouts) {
  const std::vector<int64_t> even = even_rank_counts(config.parallel, config.model.facts());
  const bool has_groups = !config.model.definition.schemes().are_plain();
  std::vector<Rank> ranks;
  for (const ParallelConfig& layout : layouts) {
    const int count = layout.tensor_parallel_size;
    const bool is_even = std::find(even.begin(), even.end(), count) != even.end();
    if (is_even && count > 3 && !layout.expert_parallel && !has_groups) {
      ranks.insert(ranks.end(), {{&layout, 0}, {&layout, 1, count - 2}, {&layout, count - 1}});
      continue;
    }
    for (int rank = 0; rank < count; ++rank) ranks.push_back({&layout, rank});
  }
  return ranks;
}

void add_rank(RanksNeed& all, const RanksNeed& one) {
  all.weight_bytes += one.weight_bytes;
  all.padding_bytes += one.padding_bytes;
  all.rank_weight_bytes = std::max(all.rank_weight_bytes, one.rank_weight_bytes);
  all.state.raise_to(one.state);
  all.workspace_bytes = std::max(all.workspace_bytes, one.workspace_bytes);
  all.host_bytes = std::max(all.host_bytes, one.host_bytes);
}

// job(i) for i in [0, count) on all cores. Throws the first Error.
void for_each_on_all_cores(size_t count, const std::function<void(size_t)>& job) {
  ThreadTeam team(usable_cores("/"));
  Mutex mutex;
  std::optional<Error> failure;
  team.for_chunks(static_cast<int64_t>(count), 1, [&](int64_t i, int64_t /*end*/, int /*worker*/) {
    try {
      job(static_cast<size_t>(i));
    } catch (const Error& e) {
      const MutexLock lock(mutex);
      if (!failure) failure.emplace(e);
    }
  });
  if (failure) throw Error(*failure);
}

}  // namespace

std::unique_ptr<WeightSource> make_shapes(std::unique_ptr<WeightSource> files, DType dtype) {
  if (files == nullptr) files = make_random_weights(0, dtype);
  return std::make_unique<Shapes>(std::move(files));
}

std::vector<RanksNeed> measure_ranks(const EngineConfig& config,
                                     const std::vector<ParallelConfig>& layouts,
                                     const WeightSource& shapes) {
  // First of all, and on this thread: whatever is wrong with the model is wrong for every rank.
  const int64_t rest = rest_of_tables(config, layouts.front(), shapes);
  const std::vector<Rank> ranks = ranks_to_measure(config, layouts);
  std::vector<RanksNeed> measured(ranks.size());
  for_each_on_all_cores(ranks.size(), [&](size_t i) {
    measured[i] = measure_rank(config, ranks[i], kShort, shapes);
    measured[i].weight_bytes += rest;
    measured[i].rank_weight_bytes += rest;
  });
  std::vector<RanksNeed> needs;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i].rank == 0) needs.emplace_back();
    for (int k = 0; k < ranks[i].alike; ++k) add_rank(needs.back(), measured[i]);
  }
  return needs;
}

}  // namespace pagoda
