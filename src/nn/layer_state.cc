#include "nn/layer_state.h"

#include <algorithm>

namespace pagoda {

StateGroups groups_of(const std::vector<LayerState>& layers) {
  StateGroups groups;
  for (const LayerState& layer : layers) {
    const auto* paged = std::get_if<PagedState>(&layer);
    if (paged == nullptr) {
      groups.of_layer.push_back(0);
      continue;
    }
    const auto found = std::find(groups.windows.begin(), groups.windows.end(), paged->window);
    groups.of_layer.push_back(static_cast<size_t>(found - groups.windows.begin()));
    if (found == groups.windows.end()) groups.windows.push_back(paged->window);
  }
  return groups;
}

}  // namespace pagoda
