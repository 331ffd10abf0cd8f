#include "nn/step.h"

namespace pagoda {

PagedLayer Step::paged(LayerIndex layer) const {
  const auto i = static_cast<size_t>(layer.value());
  const PagedTokens& tokens = batch.paged[state.group_of[i]];
  return {.cache = state.paged[i], .slots = tokens.slots, .index = tokens.attention};
}

FixedLayer Step::fixed(LayerIndex layer) const {
  return {.parts = state.fixed[static_cast<size_t>(layer.value())],
          .slots = batch.fixed.slots,
          .query_offsets = batch.fixed.query_offsets};
}

}  // namespace pagoda
