#include "engine/prefix_cache.h"

#include <doctest/doctest.h>

#include <vector>

namespace pagoda {
namespace {

std::vector<TokenId> tokens_of(std::initializer_list<int32_t> ids) {
  std::vector<TokenId> tokens;
  for (const int32_t id : ids) tokens.emplace_back(id);
  return tokens;
}

TEST_CASE("the hash of a block depends on its tokens, on what came before, and on the salt") {
  BlockHasher hasher;
  const auto a = tokens_of({1, 2}), b = tokens_of({3, 4});
  const BlockHash root = hasher.root("");
  CHECK(hasher.next(root, a) == hasher.next(root, a));
  CHECK(hasher.next(root, a) != hasher.next(root, b));
  CHECK(hasher.next(hasher.next(root, a), b) != hasher.next(root, b));
  CHECK(hasher.next(hasher.root("salt"), a) != hasher.next(root, a));
}

TEST_CASE("the hash of a block depends on the pictures in it and on where they begin") {
  BlockHasher hasher;
  const auto block = tokens_of({9, 9});
  const BlockHash root = hasher.root("");
  const auto hash = [&](std::vector<BlockPicture> pictures) {
    return hasher.next(root, block, pictures);
  };
  const PictureHash a = {1, 2, 3, 4}, b = {1, 2, 3, 5};
  CHECK(hash({{a, 0}}) == hash({{a, 0}}));
  CHECK(hash({{a, 0}}) != hash({}));
  CHECK(hash({{a, 0}}) != hash({{b, 0}}));
  CHECK(hash({{a, 0}}) != hash({{a, -1}}));
  CHECK(hash({{a, -5}, {b, 1}}) != hash({{a, -5}}));
}

TEST_CASE("a block is found by its hash, in use or free") {
  BlockPool pool(2);
  PrefixCache cache(pool);
  BlockHasher hasher;
  const BlockHash hash = hasher.root("x");
  auto block = pool.take();
  const BlockId id = block->id();
  cache.insert(hash, id);
  CHECK(cache.find(hash)->id() == id);
  block.reset();
  CHECK(cache.find(hash)->id() == id);
}

TEST_CASE("a block that was handed out again is not found") {
  BlockPool pool(1);
  PrefixCache cache(pool);
  BlockHasher hasher;
  const BlockHash hash = hasher.root("x");
  auto block = pool.take();
  cache.insert(hash, block->id());
  block.reset();
  block = pool.take();
  CHECK_FALSE(cache.find(hash).has_value());
}

TEST_CASE("of two blocks with the same content the first is found") {
  BlockPool pool(2);
  PrefixCache cache(pool);
  BlockHasher hasher;
  const BlockHash hash = hasher.root("x");
  const auto first = pool.take(), second = pool.take();
  cache.insert(hash, first->id());
  cache.insert(hash, second->id());
  CHECK(cache.find(hash)->id() == first->id());
}

TEST_CASE("a hash whose block is gone can name another block, and the block another hash") {
  BlockPool pool(2);
  PrefixCache cache(pool);
  BlockHasher hasher;
  const BlockHash x = hasher.root("x"), y = hasher.root("y");
  auto first = pool.take();
  const auto second = pool.take();
  cache.insert(x, first->id());
  first.reset();
  first = pool.take();
  cache.insert(x, second->id());
  cache.insert(y, first->id());
  CHECK(cache.find(x)->id() == second->id());
  CHECK(cache.find(y)->id() == first->id());
}

TEST_CASE("a cleared cache finds nothing") {
  BlockPool pool(1);
  PrefixCache cache(pool);
  BlockHasher hasher;
  const auto block = pool.take();
  cache.insert(hasher.root("x"), block->id());
  cache.clear();
  CHECK_FALSE(cache.find(hasher.root("x")).has_value());
}

}  // namespace
}  // namespace pagoda
