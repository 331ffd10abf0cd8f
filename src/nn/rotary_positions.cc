#include "nn/rotary_positions.h"

#include <algorithm>

#include "base/must.h"

namespace pagoda {

void RotaryPositions::add_picture(int64_t first_token, int64_t rows, int64_t columns) {
  MUST(pictures_.empty() || first_token >= pictures_.back().end());
  pictures_.push_back({first_token, rows, columns, at(first_token)[0]});
}

std::array<int32_t, 3> RotaryPositions::at(int64_t token) const {
  const auto next =
      std::upper_bound(pictures_.begin(), pictures_.end(), token,
                       [](int64_t at, const Span& picture) { return at < picture.first; });
  const auto same = [](int64_t position) {
    const auto p = static_cast<int32_t>(position);
    return std::array{p, p, p};
  };
  if (next == pictures_.begin()) return same(token);
  const Span& picture = *std::prev(next);
  if (token >= picture.end()) {
    return same(picture.position + std::max(picture.rows, picture.columns) + token - picture.end());
  }
  const int64_t inside = token - picture.first;
  return {static_cast<int32_t>(picture.position),
          static_cast<int32_t>(picture.position + inside / picture.columns),
          static_cast<int32_t>(picture.position + inside % picture.columns)};
}

}  // namespace pagoda
