#include "engine/world.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "engine/test_engine.h"
#include "load/checkpoint.h"

namespace pagoda {
namespace {

// Of the demo model in models/demo.
constexpr int64_t kLayers = 6, kHidden = 256, kHeadDim = 32, kPositions = 2048, kBytesEach = 2;

class CountedProgress final : public LoadProgress {
 public:
  void add_bytes(int64_t bytes) override { total += bytes; }
  std::atomic<int64_t> total = 0;
};

struct Loaded {
  int64_t read, kept, padding;
};

Loaded load_on(int ranks) {
  EngineConfig config = demo_config("cpu", DType::kBF16);
  config.cache.num_blocks_override = 200;
  config.parallel.tensor_parallel_size = ranks;
  config.parallel.threads = 1;
  const auto source = open_checkpoint(config.model.folder);
  CountedProgress progress;
  const World world(config, *source, open_by_config(config), &progress);
  return {progress.total, world.weight_bytes(), world.padding_bytes()};
}

TEST_CASE("ranks read each weight once, but for norms and the KV heads that several keep") {
  const Loaded one = load_on(1), two = load_on(2), three = load_on(3);
  // Of the model, and in every layer: two of the stream, and one each of query and key heads.
  const int64_t norms = (kHidden + kLayers * 2 * (kHidden + kHeadDim)) * kBytesEach;
  // Three ranks share two KV heads: the rows of one head's keys and values are kept twice.
  const int64_t kv_head = kLayers * 2 * kHeadDim * kHidden * kBytesEach;
  CHECK(two.read == one.read + norms);
  CHECK(three.read == one.read + 2 * norms + kv_head);
}

TEST_CASE("ranks together keep the packed weights of one, and the padding") {
  const Loaded one = load_on(1);
  CHECK(one.padding == 0);
  CHECK(load_on(2).padding == 0);
  for (const int ranks : {2, 3, 5, 8}) {
    CAPTURE(ranks);
    const Loaded loaded = load_on(ranks);
    // Every rank keeps its own norms and rotary tables, in float32, and beyond two of them one more
    // KV head. Packing rounds rows and columns up to whole tiles, which costs matrices as
    // small as these most.
    const int64_t norms = (kHidden + kLayers * 2 * (kHidden + kHeadDim)) * 4;
    const int64_t rotary = kPositions * kHeadDim * 4;
    const int64_t kv_head = kLayers * 2 * kHeadDim * kHidden * kBytesEach;
    const int64_t repeated = (ranks - 1) * (norms + rotary) + std::max(0, ranks - 2) * kv_head;
    const int64_t tile_rounding = one.kept / 20;
    CHECK(loaded.kept - loaded.padding < one.kept + repeated + tile_rounding);
  }
}

}  // namespace
}  // namespace pagoda
