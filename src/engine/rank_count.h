// How well a number of ranks (--tensor-parallel-size) suits a model. Any number up to the attention
// heads works: what does not divide is padded with zeros, which cost memory and time.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config.h"
#include "models/model_definition.h"

namespace pagoda {

// Before anything is loaded. Throws kConfig where ranks would have no head at all.
void check_ranks(const ParallelConfig& parallel, const ModelFacts& facts);

// Numbers of ranks with which heads and feed-forward parts, dealt in whole groups that share a
// scale, need no padding, in order. The vocabulary does not count: it is padded by less than a row
// a rank.
std::vector<int64_t> even_rank_counts(const ParallelConfig& parallel, const ModelFacts& facts);

// A line for the log: what zeros cost, of the weights of all ranks, and which sizes need none.
// Empty where this size is one of those.
std::string padding_line(const ParallelConfig& parallel, const ModelFacts& facts,
                         int64_t padding_bytes, int64_t weight_bytes);

}  // namespace pagoda
