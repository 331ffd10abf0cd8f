#include "engine/block_pool.h"

#include <utility>

#include "base/must.h"

namespace pagoda {

BlockRef::BlockRef(const BlockRef& other) : pool_(other.pool_), id_(other.id_) {
  if (pool_ != nullptr) pool_->retain(id_);
}

BlockRef& BlockRef::operator=(BlockRef other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(id_, other.id_);
  return *this;
}

BlockRef::~BlockRef() {
  if (pool_ != nullptr) pool_->release(id_);
}

BlockPool::BlockPool(int64_t num_blocks) : blocks_(static_cast<size_t>(num_blocks) + kListHeads) {
  for (const int32_t head : {plain_head(), kept_head()}) {
    blocks_[static_cast<size_t>(head)].previous = head;
    blocks_[static_cast<size_t>(head)].next = head;
  }
  for (int64_t i = 0; i < num_blocks; ++i) link(static_cast<int32_t>(i), plain_head());
  num_free_ = num_blocks;
}

BlockPool::~BlockPool() {
  MUST(num_free_ == num_blocks());
}

std::optional<BlockRef> BlockPool::take() {
  if (num_free_ == 0) return std::nullopt;
  const int32_t head = is_empty(plain_head()) ? kept_head() : plain_head();
  const BlockId id(blocks_[static_cast<size_t>(head)].next);
  Block& block = blocks_[index(id)];
  unlink(id.value());
  --num_free_;
  block.kept = false;
  ++block.generation;
  block.references = 1;
  return BlockRef(this, id);
}

BlockRef BlockPool::share(BlockId id) {
  if (blocks_[index(id)].references == 0) {
    unlink(id.value());
    --num_free_;
  }
  ++blocks_[index(id)].references;
  return {this, id};
}

void BlockPool::keep_none() {
  while (!is_empty(kept_head())) {
    const BlockId id(blocks_[static_cast<size_t>(kept_head())].next);
    unlink(id.value());
    link(id.value(), plain_head());
  }
  for (Block& block : blocks_) block.kept = false;
}

// Appends to the end of the ring before whose head it is put.
void BlockPool::link(int32_t block, int32_t before) {
  Block& next = blocks_[static_cast<size_t>(before)];
  blocks_[static_cast<size_t>(block)].previous = next.previous;
  blocks_[static_cast<size_t>(block)].next = before;
  blocks_[static_cast<size_t>(next.previous)].next = block;
  next.previous = block;
}

void BlockPool::unlink(int32_t block) {
  const Block& b = blocks_[static_cast<size_t>(block)];
  blocks_[static_cast<size_t>(b.previous)].next = b.next;
  blocks_[static_cast<size_t>(b.next)].previous = b.previous;
}

void BlockPool::put_on_free_list(BlockId id) {
  if (blocks_[index(id)].kept) {
    link(id.value(), kept_head());
  } else {
    // Last in, first out: the block just freed is the one still in the processor's cache, and
    // memory never used stays untouched.
    link(id.value(), blocks_[static_cast<size_t>(plain_head())].next);
  }
}

void BlockPool::retain(BlockId id) {
  ++blocks_[index(id)].references;
}

void BlockPool::release(BlockId id) {
  MUST(blocks_[index(id)].references > 0);
  if (--blocks_[index(id)].references > 0) return;
  put_on_free_list(id);
  ++num_free_;
}

}  // namespace pagoda
