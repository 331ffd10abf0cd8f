#include "engine/block_pool.h"

#include <doctest/doctest.h>

#include <utility>

namespace pagoda {
namespace {

TEST_CASE("a block is free again when the last reference to it is gone") {
  BlockPool pool(2);
  auto a = pool.take();
  BlockRef shared = *a;
  a.reset();
  CHECK(pool.num_free() == 1);
  {
    const BlockRef moved = std::move(shared);
    CHECK(pool.num_free() == 1);
  }
  CHECK(pool.num_free() == 2);
}

TEST_CASE("an exhausted pool gives nothing") {
  BlockPool pool(1);
  const auto a = pool.take();
  CHECK(a.has_value());
  CHECK_FALSE(pool.take().has_value());
}

TEST_CASE("assigning a reference gives back the block it held") {
  BlockPool pool(2);
  BlockRef a = *pool.take();
  const BlockRef b = *pool.take();
  a = b;
  CHECK(a.id() == b.id());
  CHECK(pool.num_free() == 1);
}

TEST_CASE("the block freed last is taken first") {
  BlockPool pool(4);
  auto a = pool.take();
  auto b = pool.take();
  const BlockId first = a->id();
  b.reset();
  a.reset();
  CHECK(pool.take()->id() == first);
}

TEST_CASE("kept blocks are taken last, the one unused longest before the others") {
  BlockPool pool(3);
  auto a = pool.take();
  auto b = pool.take();
  const BlockId oldest = a->id(), newest = b->id();
  pool.keep(oldest);
  pool.keep(newest);
  a.reset();
  b.reset();
  const auto plain = pool.take();
  const auto second = pool.take();
  const auto third = pool.take();
  CHECK(plain->id() == BlockId(2));
  CHECK(second->id() == oldest);
  CHECK(third->id() == newest);
}

TEST_CASE("a kept block that is shared again is no longer free") {
  BlockPool pool(2);
  auto a = pool.take();
  const BlockId id = a->id();
  pool.keep(id);
  a.reset();
  const BlockRef again = pool.share(id);
  CHECK(pool.num_free() == 1);
  CHECK(pool.take()->id() != id);
}

TEST_CASE("the generation of a block changes when it is taken, not when it is shared") {
  BlockPool pool(1);
  auto a = pool.take();
  const BlockId id = a->id();
  const uint64_t generation = pool.generation(id);
  a.reset();
  { const BlockRef again = pool.share(id); }
  CHECK(pool.generation(id) == generation);
  a = pool.take();
  CHECK(pool.generation(id) != generation);
}

TEST_CASE("after keep_none every block is as good as another") {
  BlockPool pool(2);
  auto a = pool.take();
  const BlockId id = a->id();
  pool.keep(id);
  a.reset();
  pool.keep_none();
  const auto b = pool.take();
  const auto c = pool.take();
  CHECK(b.has_value());
  CHECK(c->id() == id);
}

}  // namespace
}  // namespace pagoda
