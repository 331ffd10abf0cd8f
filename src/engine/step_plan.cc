#include "engine/step_plan.h"

namespace pagoda {

int64_t StepPlan::num_outputs() const {
  int64_t outputs = 0;
  for (const PlannedChunk& chunk : chunks) outputs += chunk.outputs;
  return outputs;
}

void StepPlan::clear() {
  chunks.clear();
  tokens.clear();
  sampled.clear();
  positions.clear();
  given.clear();
  next_tokens.clear();
  for (PlannedTable& table : tables) table.blocks.clear();
  encodings.clear();
}

}  // namespace pagoda
