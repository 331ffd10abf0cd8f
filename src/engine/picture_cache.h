// Which rows of the ranks' arenas hold which encoded picture, known by its content.
//
// Rows of a picture need not be neighbours, so that a picture fits wherever enough rows are free. A
// picture stays after use until its rows are needed.
//
// Thread rule: engine thread only.
// Invariant: every row is free or belongs to exactly one picture.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "vision/picture.h"

namespace pagoda {

struct PictureHashFirstWord {  // of a hash that is uniform already
  size_t operator()(const PictureHash& hash) const { return hash[0]; }
};

// Of pictures that running sequences need: the place of the first that does in the order in which
// they get rows.
using PictureNeeds = std::unordered_map<PictureHash, int64_t, PictureHashFirstWord>;

class PictureCache {
 public:
  struct Entry {
    std::vector<int32_t> rows;  // of each of its tokens
    bool is_ready = false;      // false: in the making
    int64_t last_use = 0;       // the step
  };

  explicit PictureCache(int64_t rows);

  Entry* find(const PictureHash& hash);
  // So many rows are free. The picture is not there yet.
  Entry& add(const PictureHash& hash, int64_t rows);
  void drop(const PictureHash& hash);
  // Drops pictures until `rows` rows are free: first those that nobody needs, the one unused
  // longest first, then those needed at places behind `place`, the last first. Those in the making
  // and those used in this step stay. False: it would not be enough, and nothing is dropped.
  [[nodiscard]] bool make_room(int64_t rows, int64_t place, const PictureNeeds& needs,
                               int64_t step);

  int64_t num_free() const { return static_cast<int64_t>(free_.size()); }

 private:
  std::vector<int32_t> free_;
  std::unordered_map<PictureHash, Entry, PictureHashFirstWord> entries_;
};

}  // namespace pagoda
