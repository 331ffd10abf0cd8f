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

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_map>
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
  // What the first block of a prompt takes for its parent.
  BlockHash root(std::string_view salt);
  // `tokens` are as many in every block, so that what follows them cannot pose as one.
  BlockHash next(const BlockHash& parent, std::span<const TokenId> tokens,
                 std::span<const BlockPicture> pictures = {});

 private:
  using Bytes = std::span<const std::byte>;
  BlockHash digest(Bytes first, Bytes second, Bytes third = {});

  struct Free {
    void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD, Free> algorithm_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

class PrefixCache {
 public:
  explicit PrefixCache(BlockPool& pool)
      : pool_(pool), hash_of_block_(static_cast<size_t>(pool.num_blocks())) {}

  [[nodiscard]] std::optional<BlockRef> find(const BlockHash& hash);
  // The block's keys and values are complete. A hash that is known already keeps its block.
  void insert(const BlockHash& hash, BlockId block);
  void clear();

 private:
  struct Entry {
    BlockId block;
    uint64_t generation;
  };
  struct FirstWord {  // of a hash that is uniform already
    size_t operator()(const BlockHash& hash) const { return hash[0]; }
  };
  bool is_alive(const Entry& entry) const {
    return pool_.generation(entry.block) == entry.generation;
  }

  BlockPool& pool_;
  std::unordered_map<BlockHash, Entry, FirstWord> entries_;  // at most one a block
  std::vector<std::optional<BlockHash>> hash_of_block_;      // the entry that names this block
};

}  // namespace pagoda
