#include "cli/plan.h"

#include <algorithm>

#include "base/error.h"
#include "base/str.h"
#include "cli/model_files.h"
#include "cli/settings_of.h"
#include "engine/memory_check.h"
#include "engine/placement.h"
#include "engine/rank_count.h"
#include "engine/runner.h"

namespace pagoda {
namespace {

DeviceMemory memory_for(const PlanOptions& options, const Device& device) {
  if (!options.device_memory_bytes) return device.memory();
  return {.total_bytes = *options.device_memory_bytes,
          .free_bytes = *options.device_memory_bytes,
          .is_shared = false};
}

// All sizes that people use: every one to 8, beyond it those without padding.
std::vector<int> counts_to_try(const EngineConfig& config, const ModelFacts& facts,
                               const PlanOptions& options) {
  constexpr int kCommon = 8;
  if (options.serve.given.contains("tensor-parallel-size")) {
    return {config.parallel.tensor_parallel_size};
  }
  const auto most =
      static_cast<int>(std::min<int64_t>(options.devices.value_or(kCommon), facts.attention_heads));
  std::vector<int> counts;
  for (int ranks = 1; ranks <= std::min(most, kCommon); ++ranks) counts.push_back(ranks);
  for (const int64_t ranks : even_rank_counts(config.parallel, facts)) {
    if (ranks > kCommon && ranks <= most) counts.push_back(static_cast<int>(ranks));
  }
  return counts;
}

// Where `serve` places its ranks. With a number that it would refuse, as the cores are reserved or
// listed, they are dealt out evenly.
std::vector<RankPlace> places_of(const Settings& settings, const Topology& topology) {
  try {
    return place_ranks(placement_request_of(settings), topology);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kConfig) throw;
    return {};
  }
}

std::vector<ParallelConfig> layouts_of(Settings settings, const std::vector<int>& counts) {
  const Topology topology = read_topology();
  std::vector<ParallelConfig> layouts;
  for (const int count : counts) {
    ParallelConfig& parallel = settings.engine.parallel;
    parallel.tensor_parallel_size = count;
    parallel.places = places_of(settings, topology);
    layouts.push_back(parallel);
  }
  return layouts;
}

// A cache of a given size (VLLM_CPU_KVCACHE_SPACE) is not checked by plan_memory().
bool is_too_much(const MemoryPlan& plan, const RankMemory& rank, int ranks) {
  const int64_t bytes = state_bytes(plan, rank.state) + rank.workspace_bytes;
  const int64_t all = rank.memory.is_shared ? bytes * ranks + rank.host_bytes : bytes;
  return all > rank.memory.free_bytes;
}

// None: it does not fit, which is an answer here.
std::optional<MemoryPlan> try_memory(const EngineConfig& config, const ModelFacts& facts,
                                     const RankMemory& rank) {
  try {
    const MemoryPlan plan = plan_memory(config, facts, rank);
    if (is_too_much(plan, rank, config.parallel.tensor_parallel_size)) return std::nullopt;
    return plan;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kConfig) throw;
    return std::nullopt;
  }
}

RankCountPlan plan_count(EngineConfig config, const ModelFacts& facts, const RanksNeed& need,
                         const DeviceMemory& memory) {
  const int ranks = config.parallel.tensor_parallel_size;
  const std::vector<int64_t> even = even_rank_counts(config.parallel, facts);
  const RankMemory rank = memory_when_loaded(memory, need);
  RankCountPlan plan = {.ranks = ranks,
                        .is_even = std::find(even.begin(), even.end(), ranks) != even.end(),
                        .need = need,
                        .memory = try_memory(config, facts, rank)};
  config.model.max_model_len.reset();
  if (const auto longest = try_memory(config, facts, rank)) plan.longest = longest->max_model_len;
  return plan;
}

// The fewest ranks that serve `length`, or the longest context where none does.
std::optional<size_t> best_of(const std::vector<RankCountPlan>& counts, int64_t length,
                              bool must_be_even) {
  std::optional<size_t> best;
  for (size_t i = 0; i < counts.size(); ++i) {
    const RankCountPlan& count = counts[i];
    if (!count.memory || (must_be_even && !count.is_even)) continue;
    if (count.memory->max_model_len >= length) return i;
    if (!best || count.memory->max_model_len > counts[*best].memory->max_model_len) best = i;
  }
  return best;
}

}  // namespace

ServingPlan plan_serving(const Settings& settings, const PlanOptions& options) {
  ModelShapes found = find_model_shapes(settings);
  EngineConfig config = settings.engine;
  config.model.definition = found.definition;
  config.model.dtype = found.dtype;
  config.model.pictures = found.pictures;
  check_lengths(config, found.definition.facts);
  check_ranks(config.parallel, found.definition.facts);

  const std::unique_ptr<Device> device = open_by_config(config)(0);
  ServingPlan plan = {.model = settings.model.model,
                      .facts = found.definition.facts,
                      .dtype = found.dtype,
                      .weights = found.files ? found.files->description() : "config.json",
                      .device = config.backend,
                      .memory = memory_for(options, *device),
                      .wanted_len = config.model.max_model_len,
                      .block_size = device->kv_block_size(config.cache.block_size),
                      .max_sequences = config.scheduler.max_sequences,
                      .max_step_tokens = config.scheduler.max_step_tokens};
  const auto shapes = make_shapes(std::move(found.files), found.dtype);
  const std::vector<ParallelConfig> layouts =
      layouts_of(settings, counts_to_try(config, plan.facts, options));
  const std::vector<RanksNeed> needs = measure_ranks(config, layouts, *shapes);
  for (size_t i = 0; i < layouts.size(); ++i) {
    config.parallel = layouts[i];
    plan.counts.push_back(plan_count(config, plan.facts, needs[i], plan.memory));
  }
  const int64_t length = plan.wanted_len.value_or(plan.facts.max_positions);
  plan.best = best_of(plan.counts, length, true);
  if (!plan.best) plan.best = best_of(plan.counts, length, false);
  return plan;
}

int64_t requests_at_once(const ServingPlan& plan, const RankCountPlan& count) {
  if (!count.memory) return 0;
  int64_t fewest = plan.max_sequences;
  bool is_known = false;
  for (const GroupSize& group : count.memory->state.groups) {
    const StateSpan span = {group.window, plan.block_size};
    const int64_t held = span.most_held(count.memory->max_model_len, plan.max_step_tokens);
    fewest = is_known ? std::min(fewest, group.num_blocks / held) : group.num_blocks / held;
    is_known = true;
  }
  return fewest;
}

}  // namespace pagoda
