#include "engine/world.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backends.h"
#include "base/str.h"
#include "engine/test_engine.h"
#include "engine/test_watched_device.h"
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

EngineConfig config_of(int ranks, DType dtype) {
  EngineConfig config = demo_config(kTestBackend, dtype);
  config.cache.num_blocks_override = 200;
  config.parallel.tensor_parallel_size = ranks;
  config.parallel.threads = 1;
  return config;
}

Loaded load_on(int ranks) {
  const EngineConfig config = config_of(ranks, DType::kBF16);
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
  const int64_t kv_head =
      kLayers * open_device(kTestBackend, {.threads = 1})
                    ->matrix_bytes({.out = 2 * kHeadDim, .in = kHidden, .dtype = DType::kBF16});
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
    const int64_t repeated = (ranks - 1) * (norms + rotary) + std::max(0, ranks - 2) * kv_head;
    const int64_t tile_rounding = one.kept / 20;
    CHECK(loaded.kept - loaded.padding < one.kept + repeated + tile_rounding);
  }
}

// A world in float32, and one request in its first blocks.
struct Ranks {
  explicit Ranks(int count)
      : config(config_of(count, DType::kF32)),
        world(config, *open_checkpoint(config.model.folder),
              watched_world(kTestBackend, count, watch), nullptr) {}

  // The logits behind these tokens, which follow those of the calls before. A number below zero
  // is the one that `sampled` says.
  std::vector<float> step(const std::vector<int32_t>& tokens,
                          const std::vector<TokenId>& sampled = {}) {
    StepPlan plan;
    const auto count = static_cast<int64_t>(tokens.size());
    plan.chunks = {{.first = length, .count = count, .outputs = 1, .samples = 1}};
    for (const int32_t token : tokens) {
      if (token < 0) plan.sampled = {{.token = 0, .output = 0}};
      plan.tokens.emplace_back(std::max(token, 0));
    }
    length += count;
    const int64_t block_size = world.memory().state.block_size;
    plan.tables.resize(1);
    for (int32_t block = 0; block * block_size < length; ++block) {
      plan.tables[0].blocks.emplace_back(block);
    }
    world.launch(plan, sampled);
    return logits_of(world.collect().logits);
  }

  static std::vector<float> logits_of(Tensor logits) {
    REQUIRE(logits.dim(0) == 1);
    const auto* data = logits.as<const float>();
    return {data, data + logits.count()};
  }

  Watch watch;
  EngineConfig config;
  World world;
  int64_t length = 0;
};

void check_close(const std::vector<float>& logits, const std::vector<float>& expected) {
  REQUIRE(logits.size() == expected.size());
  float distance = 0, size = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    distance = std::max(distance, std::abs(logits[i] - expected[i]));
    size = std::max(size, std::abs(expected[i]));
  }
  CHECK(distance < 1e-4F * size);
}

TEST_CASE("ranks together give what one gives, step after step") {
  // Whole blocks of any device: the second step begins another.
  const std::vector<int32_t> prompt = {5, 9, 80, 33, 7, 12, 61, 40, 5, 9, 81, 34, 8, 13, 62, 41};
  Ranks one(1);
  const std::vector<float> first = one.step(prompt), second = one.step({77});
  CHECK(first != second);
  for (const int count : {2, 3, 5}) {
    CAPTURE(count);
    Ranks ranks(count);
    check_close(ranks.step(prompt), first);
    check_close(ranks.step({-1}, {TokenId(77)}), second);
  }
}

// What a step says on whose way something fails, behind one that went well.
std::string failure_of(int count, WatchedFault fault) {
  Ranks ranks(count);
  ranks.step({5, 9, 80});
  ranks.watch.fault = fault;
  try {
    ranks.step({7});
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kDevice);
    return e.what();
  }
  return "nothing failed";
}

TEST_CASE("a rank that fails in a step is named, and those that wait for it are let go") {
  CHECK(failure_of(1, WatchedFault::kCopy) == "the cable is out");
  for (const int count : {2, 3}) {
    const std::string reason = str("rank ", count - 1, ": the cable is out");
    CHECK(failure_of(count, WatchedFault::kCopy) == reason);
    CHECK(failure_of(count, WatchedFault::kCollective) == reason);
  }
}

// On the CPU there is no stream that could.
TEST_CASE("a rank whose stream fails behind the launch is named when the step is collected" *
          doctest::skip(std::string_view(kTestBackend) == "cpu")) {
  for (const int count : {2, 3}) {
    CHECK(failure_of(count, WatchedFault::kStream) ==
          str("rank ", count - 1, ": the cable is out"));
  }
}

TEST_CASE("ranks that fail while they load are named, and nobody waits for them") {
  const EngineConfig config = config_of(3, DType::kF32);
  const auto source = open_checkpoint(config.model.folder);
  Watch watch;
  watch.fault = WatchedFault::kCopy;
  CHECK_THROWS_WITH_AS(World(config, *source, watched_world(kTestBackend, 3, watch), nullptr),
                       "rank 2: the cable is out", Error);
  const auto no_second = [](int rank) {
    if (rank == 1) throw Error(ErrorKind::kDevice, "no such device");
    return open_device(kTestBackend, {.ordinal = rank, .threads = 1});
  };
  CHECK_THROWS_WITH_AS(World(config, *source, no_second, nullptr), "rank 1: no such device", Error);
}

}  // namespace
}  // namespace pagoda
