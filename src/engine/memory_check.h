// Whether a model fits into the memory of its devices, found before a weight is read: what does not
// fit would load for minutes and then be killed by the kernel, without a word.
//
// Thread rule: call from main.
#pragma once

#include "engine/config.h"
#include "engine/measure_ranks.h"
#include "engine/memory_plan.h"
#include "models/model.h"
#include "tensor/device.h"

namespace pagoda {

// What a rank finds when the weights are loaded.
RankMemory memory_when_loaded(const DeviceMemory& memory, const RanksNeed& need);

// Throws kConfig where the weights, the largest step and the cache need more than there is, in the
// engine's words where only the cache does; kDevice where they need more than is free now.
void require_memory(const EngineConfig& config, const ModelFacts& facts, const RanksNeed& need,
                    const DeviceMemory& memory);

// The same for the model that `pagoda serve` is about to load. `config` has its dtype and
// config.json; `shapes` is of make_shapes().
void require_memory(const EngineConfig& config, const WeightSource& shapes);

}  // namespace pagoda
