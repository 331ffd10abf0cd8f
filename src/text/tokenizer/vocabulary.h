// Token ids and how they are written: strings to ids through one flat hash table, ids to strings
// through one block of text.
//
// Thread rule: fixed after loading; any thread may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

class Vocabulary {
 public:
  explicit Vocabulary(size_t num_tokens);

  // False if the id is negative or so large that no vocabulary can have it. Of a name that comes
  // twice the later id counts.
  [[nodiscard]] bool add(std::string_view name, int64_t id);

  std::optional<int32_t> find(std::string_view name) const;
  // "" for an id that no token has.
  std::string_view name(int64_t id) const;
  bool contains(int64_t id) const;
  int64_t size() const { return static_cast<int64_t>(names_.size()); }  // the largest id + 1

 private:
  struct Name {
    uint32_t begin = kNone, size = 0;
    static constexpr uint32_t kNone = UINT32_MAX;
  };
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;  // -1: free
  };

  size_t slot_of(std::string_view name, uint32_t hash) const;
  void grow();

  std::string text_;
  std::vector<Name> names_;  // by id
  std::vector<Slot> slots_;  // a power of two of them
  size_t used_ = 0;
};

}  // namespace pagoda
