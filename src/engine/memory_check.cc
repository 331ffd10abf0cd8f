#include "engine/memory_check.h"

#include <fmt/format.h>

#include "base/error.h"
#include "engine/runner.h"

namespace pagoda {
namespace {

double gib(int64_t bytes) {
  constexpr double kGiB = 1 << 30;
  return static_cast<double>(bytes) / kGiB;
}

std::string remedy_of(const DeviceMemory& memory, bool is_too_large) {
  if (!memory.is_shared) return "raise --tensor-parallel-size or serve a smaller model";
  return is_too_large ? "serve a smaller model, or raise the limit of the container or unit"
                      : "end what uses it (ps aux --sort=-rss) and start again";
}

bool leaves_a_cache(const EngineConfig& config, const ModelFacts& facts, const RankMemory& rank) {
  try {
    plan_memory(config, facts, rank);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

RankMemory memory_when_loaded(const DeviceMemory& memory, const RanksNeed& need) {
  RankMemory rank = {.memory = memory,
                     .state = need.state,
                     .workspace_bytes = need.workspace_bytes,
                     .host_bytes = need.host_bytes};
  rank.memory.free_bytes -= memory.is_shared ? need.weight_bytes : need.rank_weight_bytes;
  return rank;
}

void require_memory(const EngineConfig& config, const ModelFacts& facts, const RanksNeed& need,
                    const DeviceMemory& memory) {
  const int ranks = memory.is_shared ? config.parallel.tensor_parallel_size : 1;
  const int64_t weights = memory.is_shared ? need.weight_bytes : need.rank_weight_bytes;
  const int64_t step = need.workspace_bytes * ranks + (memory.is_shared ? need.host_bytes : 0);
  if (weights + step > memory.free_bytes) {
    const bool is_too_large = weights + step > memory.total_bytes;
    throw Error(
        is_too_large ? ErrorKind::kConfig : ErrorKind::kDevice,
        fmt::format("{}: does not fit: its weights take {:.2f} GiB and a step {:.2f} GiB, but "
                    "of {:.2f} GiB of memory {:.2f} GiB are free; {} (`pagoda plan` with the same "
                    "options shows what fits)",
                    config.model.folder.string(), gib(weights), gib(step), gib(memory.total_bytes),
                    gib(memory.free_bytes), remedy_of(memory, is_too_large)));
  }
  try {
    plan_memory(config, facts, memory_when_loaded(memory, need));
  } catch (const Error& e) {
    const DeviceMemory idle = {memory.total_bytes, memory.total_bytes, memory.is_shared};
    if (!leaves_a_cache(config, facts, memory_when_loaded(idle, need))) throw;
    throw Error(ErrorKind::kDevice, e.what());
  }
}

void require_memory(const EngineConfig& config, const WeightSource& shapes) {
  const RanksNeed need = measure_ranks(config, {config.parallel}, shapes).front();
  require_memory(config, config.model.facts(), need, open_by_config(config)(0)->memory());
}

}  // namespace pagoda
