#include "engine/memory_check.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace pagoda {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

const RanksNeed plain_need = {.weight_bytes = 8 * kGiB,
                              .rank_weight_bytes = 4 * kGiB,
                              .state = {.groups = {{.window = 0, .block_bytes = 1 << 20}}},
                              .workspace_bytes = kGiB};

EngineConfig two_ranks() {
  EngineConfig config;
  config.parallel.tensor_parallel_size = 2;
  config.model.max_model_len = 1024;
  config.model.folder = "/models/large";
  return config;
}

ModelFacts facts() {
  return {.max_positions = 4096};
}

TEST_CASE("what fits passes, on one memory for all ranks and on one for each") {
  CHECK_NOTHROW(require_memory(two_ranks(), facts(), plain_need, {20 * kGiB, 16 * kGiB, true}));
  CHECK_NOTHROW(require_memory(two_ranks(), facts(), plain_need, {12 * kGiB, 10 * kGiB, false}));
}

std::string refusal(const DeviceMemory& memory, ErrorKind kind) {
  try {
    require_memory(two_ranks(), facts(), plain_need, memory);
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "no refusal";
}

TEST_CASE("weights larger than the memory are refused before they are read") {
  CHECK(refusal({9 * kGiB, 8 * kGiB, true}, ErrorKind::kConfig) ==
        "/models/large: does not fit: its weights take 8.00 GiB and a step 2.00 GiB, but of 9.00 "
        "GiB of "
        "memory 8.00 GiB are free; serve a smaller model, or raise the limit of the container or "
        "unit (`pagoda plan` with the same options shows what fits)");
  CHECK(refusal({4 * kGiB, 4 * kGiB, false}, ErrorKind::kConfig)
            .find("raise --tensor-parallel-size or serve a smaller model") != std::string::npos);
}

TEST_CASE("memory that others use now is the machine's matter, and may be free at the next try") {
  CHECK(refusal({20 * kGiB, 9 * kGiB, true}, ErrorKind::kDevice)
            .find("end what uses it (ps aux --sort=-rss) and start again") != std::string::npos);
}

TEST_CASE("so it is where weights and a step fit, but no cache beside what others use") {
  CHECK(refusal({20 * kGiB, 12 * kGiB, true}, ErrorKind::kDevice)
            .starts_with("No available memory for the cache blocks."));
}

TEST_CASE("the logits to sample from are counted once, where ranks share the host's memory") {
  RanksNeed need = plain_need;
  need.host_bytes = 7 * kGiB;
  CHECK_THROWS_WITH_AS(require_memory(two_ranks(), facts(), need, {20 * kGiB, 16 * kGiB, true}),
                       doctest::Contains("a step 9.00 GiB"), Error);
  CHECK_NOTHROW(require_memory(two_ranks(), facts(), need, {12 * kGiB, 10 * kGiB, false}));
}

TEST_CASE("a cache too small for --max-model-len is told before loading in the engine's words") {
  EngineConfig config = two_ranks();
  config.cache.space_bytes = 16 << 20;
  CHECK_THROWS_WITH_AS(require_memory(config, facts(), plain_need, {20 * kGiB, 16 * kGiB, true}),
                       doctest::Contains("--max-model-len 256 fits"), Error);
}

}  // namespace
}  // namespace pagoda
