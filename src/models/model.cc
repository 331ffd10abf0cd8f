#include "models/model.h"

namespace pagoda {

Tensor wanted_logits(const Model& model, Step& step) {
  const Tensor hidden = model.hidden(step);
  const Tensor rows = step.batch.output_rows;  // i32 [outputs]
  const Tensor wanted = step.scratch.make({rows.dim(0), hidden.dim(1)});
  step.ops.gather_rows(wanted, hidden, rows);
  return model.logits(step, wanted);
}

}  // namespace pagoda
