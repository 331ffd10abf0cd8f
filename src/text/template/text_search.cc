#include "text/template/text_search.h"

#include <cstring>

namespace pagoda {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

// Up to here a comparison at every place costs no more than what would save it.
constexpr size_t kShortBytes = 16;

}  // namespace

size_t find_text(std::string_view text, std::string_view wanted, size_t from) {
  if (from > text.size() || wanted.size() > text.size() - from) return kNowhere;
  if (wanted.size() <= kShortBytes) return text.find(wanted, from);
  // Linear, unlike std::string_view::find.
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  if (found == nullptr) return kNowhere;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t find_last_text(std::string_view text, std::string_view wanted) {
  return BackwardSearch(text, wanted).find_before(text.size());
}

size_t count_text(std::string_view text, std::string_view wanted) {
  size_t found = 0;
  for (size_t at = find_text(text, wanted); at != kNowhere; ++found) {
    at = find_text(text, wanted, at + wanted.size());
  }
  return found;
}

BackwardSearch::BackwardSearch(std::string_view text, std::string_view wanted)
    : text_(text), wanted_(wanted) {
  if (wanted.size() <= kShortBytes || wanted.size() > text.size()) return;
  reversed_text_.assign(text.rbegin(), text.rend());
  reversed_wanted_.assign(wanted.rbegin(), wanted.rend());
}

size_t BackwardSearch::find_before(size_t end) const {
  if (!is_reversed()) return text_.substr(0, end).rfind(wanted_);
  const size_t found = find_text(reversed_text_, reversed_wanted_, text_.size() - end);
  return found == kNowhere ? kNowhere : text_.size() - found - wanted_.size();
}

}  // namespace pagoda
