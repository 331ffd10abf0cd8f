// From a sequence to the numbers of a step plan.
//
// Thread rule: engine thread only.
#pragma once

#include <cstdint>

#include "engine/sequence.h"
#include "engine/step_plan.h"

namespace pagoda {

// Adds a chunk of a sequence, whose name it gets, with its tokens, positions, blocks and slot; the
// sequence has blocks up to its end. Which of its tokens stand for pictures, and where those are,
// is not a sequence's to know.
void write_chunk(StepPlan& plan, PlannedChunk chunk, const Sequence& sequence, int64_t block_size);

}  // namespace pagoda
