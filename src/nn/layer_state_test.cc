#include "nn/layer_state.h"

#include <doctest/doctest.h>

namespace pagoda {
namespace {

PagedState with_window(int64_t window) {
  return {.shape = {.kv_heads = 1, .key_dim = 8, .value_dim = 8, .dtype = DType::kF32},
          .window = window};
}

}  // namespace

TEST_CASE("layers that look back equally far are one group, wherever they stand") {
  const StateGroups groups =
      groups_of({with_window(16), with_window(0), with_window(16), with_window(4)});
  CHECK(groups.windows == std::vector<int64_t>{16, 0, 4});
  CHECK(groups.of_layer == std::vector<size_t>{0, 1, 0, 2});
}

TEST_CASE("layers whose state is of a fixed size are in no group") {
  const FixedState fixed = {{make_view(nullptr, {2, 3}, DType::kF32)}};
  const StateGroups groups = groups_of({fixed, with_window(0), fixed});
  CHECK(groups.windows == std::vector<int64_t>{0});
  CHECK(groups.of_layer[1] == 0);
  CHECK(groups_of({fixed}).windows.empty());
}

}  // namespace pagoda
