// Finds stop strings in a text that grows piece by piece, and holds back only what could be the
// beginning of one.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

class StopMatcher {
 public:
  struct Match {
    std::string text;            // may be sent now
    std::optional<size_t> stop;  // index of the stop string that ended the text
  };

  // Empty stop strings never match. With `include_in_output` the stop string itself is sent.
  StopMatcher(std::vector<std::string> stops, bool include_in_output);

  // As vLLM's check_stop_strings: only matches that end within this piece count, and of those
  // the first stop string of the list wins, not the earliest place. With `may_stop` false
  // (min_tokens is not reached yet) nothing matches. Nothing may be added after a match.
  Match add(std::string_view piece, bool may_stop = true);
  // The text ended by itself: what was held back.
  std::string finish();

 private:
  size_t num_to_hold() const;

  const std::vector<std::string> stops_;
  const bool include_in_output_;
  std::string held_;  // not sent yet: the longest end of the text that begins a stop string
};

}  // namespace pagoda
