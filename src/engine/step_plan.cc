#include "engine/step_plan.h"

namespace pagoda {

int64_t StepPlan::num_outputs() const {
  int64_t outputs = 0;
  for (const PlannedChunk& chunk : chunks) outputs += chunk.outputs;
  return outputs;
}

int64_t StepPlan::num_hidden() const {
  int64_t rows = 0;
  for (const PlannedChunk& chunk : chunks) rows += chunk.hidden;
  return rows;
}

void StepPlan::clear() {
  chunks.clear();
  tokens.clear();
  sampled.clear();
  positions.clear();
  given.clear();
  next_tokens.clear();
  for (PlannedTable& table : tables) table.blocks.clear();
  slots.clear();
  encodings.clear();
  is_greedy = false;
}

}  // namespace pagoda
