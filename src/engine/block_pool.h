// Fixed-size blocks of KV cache memory, shared between sequences that have the same prefix.
//
// A free block may still hold keys and values that are worth finding again: it is then marked as
// kept, and is handed out only after all free blocks that are not, the one unused longest first.
//
// Thread rule: engine thread only.
// Invariant: a block is on one of the two free lists exactly when no BlockRef to it exists.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace pagoda {

class BlockPool;

// Holds one block. Copying shares it; destroying the last copy gives it back to the pool.
class BlockRef {
 public:
  BlockRef(const BlockRef& other);
  BlockRef(BlockRef&& other) noexcept : pool_(other.pool_), id_(other.id_) {
    other.pool_ = nullptr;
  }
  BlockRef& operator=(BlockRef other) noexcept;
  ~BlockRef();

  BlockId id() const { return id_; }

 private:
  friend class BlockPool;
  BlockRef(BlockPool* pool, BlockId id) : pool_(pool), id_(id) {}

  BlockPool* pool_;  // null after a move
  BlockId id_;
};

class BlockPool {
 public:
  explicit BlockPool(int64_t num_blocks);
  ~BlockPool();  // every BlockRef must be gone
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block whose content nobody wants any more. Nothing when the pool is exhausted, which is
  // normal under load: the scheduler preempts.
  [[nodiscard]] std::optional<BlockRef> take();
  // A block by its number, free or not, with its content.
  BlockRef share(BlockId id);

  // Until the block is taken again, it is among the last to be taken.
  void keep(BlockId id) { blocks_[index(id)].kept = true; }
  // No block is kept any more.
  void keep_none();
  // How often the block was taken: what was known of its content holds while this stays the same.
  uint64_t generation(BlockId id) const { return blocks_[index(id)].generation; }

  int64_t num_blocks() const { return static_cast<int64_t>(blocks_.size()) - kListHeads; }
  int64_t num_free() const { return num_free_; }
  int64_t num_used() const { return num_blocks() - num_free_; }

 private:
  friend class BlockRef;

  // Two rings through `blocks_` itself, so that a block found again leaves its list at once.
  static constexpr int kListHeads = 2;
  struct Block {
    int32_t references = 0;
    bool kept = false;
    uint64_t generation = 0;
    int32_t previous = 0, next = 0;  // on a free list
  };

  static size_t index(BlockId id) { return static_cast<size_t>(id.value()); }
  int32_t plain_head() const { return static_cast<int32_t>(num_blocks()); }
  int32_t kept_head() const { return static_cast<int32_t>(num_blocks()) + 1; }
  bool is_empty(int32_t head) const { return blocks_[static_cast<size_t>(head)].next == head; }
  void link(int32_t block, int32_t before);
  void unlink(int32_t block);
  void put_on_free_list(BlockId id);

  void retain(BlockId id);
  void release(BlockId id);

  std::vector<Block> blocks_;  // by block id, then the heads of the lists
  int64_t num_free_ = 0;
};

}  // namespace pagoda
