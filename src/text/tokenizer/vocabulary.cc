#define XXH_INLINE_ALL
#include "text/tokenizer/vocabulary.h"

#include <xxhash.h>

#include <bit>
#include <utility>

namespace pagoda {
namespace {

// Ten times the largest vocabulary known; a larger id is a mistake, and would take the memory.
constexpr int64_t kMostIds = 1 << 24;

uint32_t hash_of(std::string_view name) {
  return static_cast<uint32_t>(XXH3_64bits(name.data(), name.size()));
}

}  // namespace

Vocabulary::Vocabulary(size_t num_tokens) {
  names_.reserve(num_tokens);
  slots_.resize(std::bit_ceil(num_tokens + num_tokens / 2 + 16));
}

bool Vocabulary::add(std::string_view name, int64_t id) {
  if (id < 0 || id >= kMostIds) return false;
  if (id >= size()) names_.resize(static_cast<size_t>(id) + 1);
  names_[static_cast<size_t>(id)] = {static_cast<uint32_t>(text_.size()),
                                     static_cast<uint32_t>(name.size())};
  text_ += name;
  if (used_ + used_ / 4 >= slots_.size()) grow();
  const uint32_t hash = hash_of(name);
  Slot& slot = slots_[slot_of(name, hash)];
  if (slot.id < 0) ++used_;
  slot = {hash, static_cast<int32_t>(id)};
  return true;
}

std::optional<int32_t> Vocabulary::find(std::string_view name) const {
  const Slot& slot = slots_[slot_of(name, hash_of(name))];
  if (slot.id < 0) return std::nullopt;
  return slot.id;
}

std::string_view Vocabulary::name(int64_t id) const {
  if (!contains(id)) return {};
  const Name& name = names_[static_cast<size_t>(id)];
  return std::string_view(text_).substr(name.begin, name.size);
}

bool Vocabulary::contains(int64_t id) const {
  return id >= 0 && id < size() && names_[static_cast<size_t>(id)].begin != Name::kNone;
}

// Where the name is, or the free slot where it belongs.
size_t Vocabulary::slot_of(std::string_view wanted, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].id >= 0 && (slots_[i].hash != hash || name(slots_[i].id) != wanted)) {
    i = (i + 1) & mask;
  }
  return i;
}

void Vocabulary::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  for (const Slot& slot : old) {
    if (slot.id >= 0) slots_[slot_of(name(slot.id), slot.hash)] = slot;
  }
}

}  // namespace pagoda
