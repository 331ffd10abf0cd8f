#include "nn/step.h"

namespace pagoda {

PagedLayer Step::paged(LayerIndex layer) const {
  const auto i = static_cast<size_t>(layer.value());
  const PagedTokens& tokens = batch.paged[state.group_of[i]];
  return {.cache = state.paged[i], .slots = tokens.slots, .index = tokens.attention};
}

}  // namespace pagoda
