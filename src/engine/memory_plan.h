// How much memory goes to the KV cache, and so how long a request may be. Decided once, after the
// weights are loaded and the workspace of the largest step is measured.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>

#include "engine/config.h"
#include "engine/state_pools.h"
#include "engine/state_shares.h"
#include "models/model_definition.h"
#include "tensor/device.h"

namespace pagoda {

// What a rank needs of its device beside the weights, which are there already.
struct RankMemory {
  DeviceMemory memory;
  StateNeed state;
  int64_t workspace_bytes;  // not touched yet
  int64_t host_bytes = 0;   // of rank 0 alone, in the host's memory; not touched yet
};

struct MemoryPlan {
  StateLimits state;
  int64_t max_model_len;

  // Of the groups that look back farthest.
  int64_t num_blocks() const;
};
// What the state takes on each rank.
int64_t state_bytes(const MemoryPlan& plan, const StateNeed& need);
// How many requests of the longest length fit at once.
double requests_at_once(const MemoryPlan& plan, int64_t step_tokens);

// How large pictures may be, and how many are kept encoded. All zero where the model sees none.
struct PictureLimits {
  int64_t max_tokens = 0;  // of one picture
  int64_t cache_rows = 0;  // tokens of encoded pictures: at least one picture, or those of a step
};
PictureLimits picture_limits(const EngineConfig& config, const ModelFacts& facts,
                             int64_t max_model_len);

// Before anything is loaded. Throws kConfig in vLLM's words where --max-model-len is longer than
// the model was made for, and where a step cannot hold what it must.
void check_lengths(const EngineConfig& config, const ModelFacts& facts);

// `ranks` ranks like this one; where the memory is shared they all draw from it. State of a
// fixed size comes first, a slot for each of --max-num-seqs; blocks get what is left. Throws
// kConfig where the slots do not fit, and in vLLM's words where one request of the wanted length
// does not.
MemoryPlan plan_memory(const EngineConfig& config, const ModelFacts& facts, const RankMemory& rank);

}  // namespace pagoda
