// Finds a text in a text, in time that grows with the sizes of both and not with their product:
// clients choose both.
//
// Thread rule: pure functions; a BackwardSearch refers to the texts that it was given.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pagoda {

// As std::string_view::find and rfind.
size_t find_text(std::string_view text, std::string_view wanted, size_t from = 0);
size_t find_last_text(std::string_view text, std::string_view wanted);
// How often `wanted`, which is not empty, stands in `text` without overlap.
size_t count_text(std::string_view text, std::string_view wanted);

// From the end to the begin, place by place.
class BackwardSearch {
 public:
  BackwardSearch(std::string_view text, std::string_view wanted);
  // Where the last `wanted` begins that ends at byte `end` or before it; npos if there is none.
  size_t find_before(size_t end) const;

 private:
  bool is_reversed() const { return !reversed_wanted_.empty(); }

  std::string_view text_, wanted_;
  std::string reversed_text_, reversed_wanted_;  // of a long `wanted`: searched from the begin
};

}  // namespace pagoda
