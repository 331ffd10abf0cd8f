#include "engine/step_plan.h"

namespace pagoda {

int64_t StepPlan::num_tokens() const {
  int64_t tokens = 0;
  for (const PlannedChunk& chunk : chunks) tokens += chunk.count;
  return tokens;
}

int64_t StepPlan::num_given() const {
  int64_t given = 0;
  for (const PlannedChunk& chunk : chunks) given += static_cast<int64_t>(chunk.given.size());
  return given;
}

int64_t StepPlan::num_outputs() const {
  int64_t outputs = 0;
  for (const PlannedChunk& chunk : chunks) outputs += chunk.outputs;
  return outputs;
}

}  // namespace pagoda
