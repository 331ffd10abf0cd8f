#include "models/model.h"

namespace pagoda {

ModelOutput run_model(const Model& model, Step& step, Tensor hidden_rows) {
  const Tensor hidden = model.hidden(step);
  const auto rows_of_hidden = [&](Tensor rows) {
    const Tensor some = step.scratch.make({rows.dim(0), hidden.dim(1)});
    step.ops.gather_rows(some, hidden, rows);
    return some;
  };
  const Tensor some = hidden_rows.empty() ? Tensor{} : rows_of_hidden(hidden_rows);
  return {.logits = model.logits(step, rows_of_hidden(step.batch.output_rows)), .hidden = some};
}

}  // namespace pagoda
