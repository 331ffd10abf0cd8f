#include "engine/picture_cache.h"

#include <doctest/doctest.h>

namespace pagoda {
namespace {

PictureHash hash_of(uint64_t number) {
  return {number, 0, 0, 0};
}

// Pictures 1, 2, 3 of three rows each, used in steps 1, 2, 3, in a cache of ten.
PictureCache three_pictures() {
  PictureCache cache(10);
  for (uint64_t i = 1; i <= 3; ++i) {
    PictureCache::Entry& entry = cache.add(hash_of(i), 3);
    entry.is_ready = true;
    entry.last_use = static_cast<int64_t>(i);
  }
  return cache;
}

TEST_CASE("a picture takes free rows and gives them back") {
  PictureCache cache(5);
  CHECK(cache.add(hash_of(1), 2).rows == std::vector<int32_t>{0, 1});
  CHECK(cache.add(hash_of(2), 2).rows == std::vector<int32_t>{2, 3});
  cache.drop(hash_of(1));
  CHECK(cache.find(hash_of(1)) == nullptr);
  CHECK(cache.num_free() == 3);
  CHECK(cache.add(hash_of(3), 3).rows == std::vector<int32_t>{0, 1, 4});  // not neighbours
  CHECK(cache.find(hash_of(2))->rows == std::vector<int32_t>{2, 3});
}

TEST_CASE("the picture unused longest makes room, and no more than is needed") {
  PictureCache cache = three_pictures();
  CHECK(cache.make_room(4, 0, {}, 9));
  CHECK(cache.find(hash_of(1)) == nullptr);
  CHECK(cache.find(hash_of(2)) != nullptr);
  CHECK(cache.num_free() == 4);
}

TEST_CASE("pictures that nobody needs make room first, then those needed last") {
  const PictureNeeds needs = {{hash_of(1), 5}, {hash_of(2), 7}};
  PictureCache cache = three_pictures();
  CHECK(cache.make_room(4, 3, needs, 9));
  CHECK(cache.find(hash_of(3)) == nullptr);
  CHECK(cache.make_room(7, 3, needs, 9));
  CHECK(cache.find(hash_of(2)) == nullptr);
  CHECK(cache.find(hash_of(1)) != nullptr);
}

TEST_CASE("pictures needed before, in the making, or used in this step stay") {
  PictureCache cache = three_pictures();
  cache.find(hash_of(2))->is_ready = false;
  CHECK_FALSE(cache.make_room(4, 3, {{hash_of(1), 3}}, 3));
  CHECK(cache.num_free() == 1);
  CHECK(cache.make_room(4, 2, {{hash_of(1), 3}}, 3));
  CHECK(cache.find(hash_of(1)) == nullptr);
}

TEST_CASE("where it would not be enough nothing is dropped") {
  PictureCache cache = three_pictures();
  CHECK_FALSE(cache.make_room(11, 0, {}, 9));
  CHECK(cache.num_free() == 1);
}

}  // namespace
}  // namespace pagoda
