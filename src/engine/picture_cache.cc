#include "engine/picture_cache.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/must.h"

namespace pagoda {

PictureCache::PictureCache(int64_t rows) {
  for (int64_t row = rows; row > 0; --row) free_.push_back(static_cast<int32_t>(row - 1));
}

PictureCache::Entry* PictureCache::find(const PictureHash& hash) {
  const auto found = entries_.find(hash);
  return found == entries_.end() ? nullptr : &found->second;
}

PictureCache::Entry& PictureCache::add(const PictureHash& hash, int64_t rows) {
  MUST(rows <= num_free());
  const auto [at, is_new] = entries_.try_emplace(hash);
  MUST(is_new);
  const auto first = free_.end() - rows;
  at->second.rows.assign(std::reverse_iterator(free_.end()), std::reverse_iterator(first));
  free_.erase(first, free_.end());
  return at->second;
}

void PictureCache::drop(const PictureHash& hash) {
  const auto found = entries_.find(hash);
  MUST(found != entries_.end());
  const std::vector<int32_t>& rows = found->second.rows;
  free_.insert(free_.end(), rows.rbegin(), rows.rend());
  entries_.erase(found);
}

bool PictureCache::make_room(int64_t rows, int64_t place, const PictureNeeds& needs, int64_t step) {
  struct Candidate {
    int64_t place, last_use, rows;
    PictureHash hash;
  };
  std::vector<Candidate> candidates;
  int64_t possible = num_free();
  for (const auto& [hash, entry] : entries_) {
    const auto need = needs.find(hash);
    const int64_t needed_at = need == needs.end() ? INT64_MAX : need->second;
    if (!entry.is_ready || entry.last_use == step || needed_at <= place) continue;
    const auto held = static_cast<int64_t>(entry.rows.size());
    candidates.push_back({needed_at, entry.last_use, held, hash});
    possible += held;
  }
  if (possible < rows) return false;
  // The hash decides last, so that the order does not depend on that of the table.
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(b.place, a.last_use, a.hash) < std::tie(a.place, b.last_use, b.hash);
  });
  for (size_t i = 0; num_free() < rows; ++i) drop(candidates[i].hash);
  return true;
}

}  // namespace pagoda
