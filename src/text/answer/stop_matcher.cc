#include "text/answer/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace pagoda {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_in_output)
    : stops_(std::move(stops)), include_in_output_(include_in_output) {}

StopMatcher::Match StopMatcher::add(std::string_view piece, bool may_stop) {
  const size_t old_size = held_.size();
  held_ += piece;
  for (size_t i = 0; may_stop && i < stops_.size(); ++i) {
    const std::string& stop = stops_[i];
    if (stop.empty()) continue;
    const size_t first = old_size + 1 > stop.size() ? old_size + 1 - stop.size() : 0;
    const size_t at = held_.find(stop, first);
    if (at == std::string::npos) continue;
    held_.resize(include_in_output_ ? at + stop.size() : at);
    return {std::exchange(held_, {}), i};
  }
  const size_t hold = num_to_hold();
  Match match{held_.substr(0, held_.size() - hold), {}};
  held_.erase(0, held_.size() - hold);
  return match;
}

std::string StopMatcher::finish() {
  return std::exchange(held_, {});
}

// The length of the longest end of held_ that is a true beginning of a stop string.
size_t StopMatcher::num_to_hold() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

}  // namespace pagoda
