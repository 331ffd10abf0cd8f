// What an engine is made from. Values with their defaults; fixed once the engine exists.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "engine/scheduler_config.h"
#include "models/model_definition.h"
#include "tensor/dtype.h"
#include "vision/patches.h"

namespace pagoda {

enum class LoadFormat : uint8_t { kSafetensors, kDummy };

struct ModelConfig {
  std::filesystem::path folder;
  ModelDefinition definition;
  DType dtype = DType::kBF16;
  LoadFormat load_format = LoadFormat::kSafetensors;
  std::optional<int64_t> max_model_len;   // none: the largest that fits
  bool allow_long_max_model_len = false;  // VLLM_ALLOW_LONG_MAX_MODEL_LEN
  std::optional<TokenId> eos_token;       // ends a request unless ignore_eos
  uint64_t seed = 0;
  // How pictures become patches, of models that see them: preprocessor_config.json and
  // --mm-processor-kwargs. Its max_pixels bounds what one picture may cost.
  std::optional<PatchConfig> pictures;

  const ModelFacts& facts() const { return definition.facts; }
};

struct CacheConfig {
  int64_t block_size = 16;
  double memory_utilization = 0.9;             // --gpu-memory-utilization
  std::optional<int64_t> space_bytes;          // VLLM_CPU_KVCACHE_SPACE
  std::optional<int64_t> num_blocks_override;  // --num-gpu-blocks-override
};

// Where a rank runs.
struct RankPlace {
  int threads = 1;
  std::vector<int> cpus = {};  // hardware threads that it is bound to; empty: not bound
};

struct ParallelConfig {
  int tensor_parallel_size = 1;
  bool expert_parallel = false;        // ranks hold whole experts, not a share of each
  int threads = 0;                     // a rank's worker team; 0: the cores dealt over the ranks
  std::vector<RankPlace> places = {};  // one a rank (placement.h); empty: `threads` each, not bound
};

struct EngineConfig {
  std::string backend = "cpu";
  ModelConfig model;
  SchedulerConfig scheduler;
  CacheConfig cache;
  ParallelConfig parallel;
  bool log_stats = true;  // the 10-second line
};

}  // namespace pagoda
