// What the ranks of a model need of their devices, found without loading it: the model is made as
// `pagoda serve` makes it, by the engine's own Runner, over devices that only count and over
// tensors that have shapes but no numbers.
//
// Thread rule: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/config.h"
#include "engine/state_shares.h"
#include "load/checkpoint.h"

namespace pagoda {

// Tensors by the headers of their files, or, without `files`, as config.json makes them: every
// tensor that is asked for, in `dtype`. No number is ever read.
std::unique_ptr<WeightSource> make_shapes(std::unique_ptr<WeightSource> files, DType dtype);

struct RanksNeed {
  int64_t weight_bytes = 0;       // of all ranks
  int64_t padding_bytes = 0;      // of those, zeros
  int64_t rank_weight_bytes = 0;  // of the rank that keeps the most
  StateNeed state = {};           // on one rank
  int64_t workspace_bytes = 0;    // of the largest step on one rank
  int64_t host_bytes = 0;         // of rank 0 alone, in the host's: logits, and to sample
};

// One for each of `layouts`, numbers of ranks and where they run: a rank with more threads needs
// more. `shapes` is of make_shapes(). Throws what loading would throw: kConfig, kCheckpoint.
std::vector<RanksNeed> measure_ranks(const EngineConfig& config,
                                     const std::vector<ParallelConfig>& layouts,
                                     const WeightSource& shapes);

}  // namespace pagoda
