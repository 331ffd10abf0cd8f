// Finds the blocks of a prompt that was computed before.
//
// A full block is known by a hash chained over the block before it, its tokens, the pictures that
// they stand for, and the salt of its request. The hash is SHA-256: a client cannot make two
// prompts that collide, so one request can never read another's keys and values, and the tokens
// themselves need not be kept.
//
// Nothing is told to this cache when the pool hands a block out again: an entry remembers the
// block's generation, and is dead once that has moved on.
//
// Thread rule: engine thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/ids.h"
#include "engine/block_pool.h"
#include "vision/picture.h"

namespace pagoda {

using BlockHash = std::array<uint64_t, 4>;

// A picture some of whose tokens are in a block.
struct BlockPicture {
  PictureHash hash;
  int64_t first;  // its first token, counted from the block's: negative where it began before
};
// It is hashed as it lies in memory.
static_assert(std::has_unique_object_representations_v<BlockPicture>);

class BlockHasher {
 public:
  BlockHasher();
  ~BlockHasher();
  // What the first block of a prompt takes for its parent.
  BlockHash root(std::string_view salt);
  // `tokens` are as many in every block, so that what follows them cannot pose as one.
  BlockHash next(const BlockHash& parent, std::span<const TokenId> tokens,
                 std::span<const BlockPicture> pictures = {});

 private:
  using Bytes = std::span<const std::byte>;
  BlockHash digest(Bytes first, Bytes second, Bytes third = {});

  struct Sha256;
  std::unique_ptr<Sha256> sha256_;
};

class PrefixCache {
 public:
  // All memory that it will ever need: an entry a block.
  explicit PrefixCache(BlockPool& pool);

  bool knows(const BlockHash& hash);
  [[nodiscard]] std::optional<BlockRef> find(const BlockHash& hash);
  // The block's keys and values are complete. A hash that is known already keeps its block.
  void insert(const BlockHash& hash, BlockId block);
  void clear();

 private:
  // What a block was when it was inserted, and the next one whose hash begins alike.
  struct Entry {
    bool is_there = false;
    BlockHash hash = {};
    uint64_t generation = 0;
    std::optional<BlockId> next = {};
  };
  Entry& entry(BlockId block) { return entries_[static_cast<size_t>(block.value())]; }
  // Hashes are uniform: their first bits spread them evenly.
  std::optional<BlockId>& chain(const BlockHash& hash) { return chains_[hash[0] % chains_.size()]; }
  bool is_alive(BlockId block) { return pool_.generation(block) == entry(block).generation; }
  std::optional<BlockId> locate(const BlockHash& hash);
  void remove(BlockId block);

  BlockPool& pool_;
  std::vector<Entry> entries_;                  // by block
  std::vector<std::optional<BlockId>> chains_;  // the first of each
};

}  // namespace pagoda
