#include "engine/memory_plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace pagoda {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20, kGiB = int64_t{1} << 30;
const ModelFacts facts = {
    .architecture = "Any", .vocab = 100, .max_positions = 4096, .attention_heads = 8};

// 20 GiB, of which 4 GiB are used: 14 GiB of the share of 90 % are left, and 13 GiB when a tenth
// and 1 GiB are to stay free.
const RankMemory plain_rank = {.memory = {.total_bytes = 20 * kGiB, .free_bytes = 16 * kGiB},
                               .state = {.groups = {{.window = 0, .block_bytes = kMiB}}},
                               .workspace_bytes = kGiB};

EngineConfig config_with(std::optional<int64_t> max_model_len, int64_t max_sequences = 1000) {
  EngineConfig config;
  config.model.max_model_len = max_model_len;
  config.scheduler.max_sequences = max_sequences;
  return config;
}

template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kConfig);
    return e.what();
  }
  return "no error";
}

TEST_CASE("the cache takes its share but leaves a tenth and 1 GiB free") {
  const MemoryPlan plan = plan_memory(config_with(4096), facts, plain_rank);
  CHECK(plan.num_blocks() == 12 * 1024);  // 13 GiB less the workspace
  CHECK(plan.max_model_len == 4096);
}

TEST_CASE("what rank 0 alone keeps on the host is counted once, and not on devices of their own") {
  EngineConfig config = config_with(4096);
  config.parallel.tensor_parallel_size = 2;
  RankMemory rank = plain_rank;
  rank.host_bytes = kGiB;
  rank.memory.is_shared = true;
  CHECK(plan_memory(config, facts, rank).num_blocks() == 5 * 1024);  // (13 - 1) / 2 - 1 GiB
  rank.memory.is_shared = false;
  CHECK(plan_memory(config, facts, rank).num_blocks() == 12 * 1024);
}

TEST_CASE("a small utilization counts what others use") {
  EngineConfig config = config_with(4096);
  config.cache.memory_utilization = 0.5;
  CHECK(plan_memory(config, facts, plain_rank).num_blocks() ==
        5 * 1024);  // 10 - 4 used - 1 workspace
}

TEST_CASE("the cache is no larger than all sequences at their longest need") {
  CHECK(plan_memory(config_with(4096, 2), facts, plain_rank).num_blocks() == 2 * 4096 / 16);
}

TEST_CASE("memory or blocks that are given are taken as they are") {
  EngineConfig config = config_with(4096, 2);
  config.cache.space_bytes = 3 * kGiB;
  CHECK(plan_memory(config, facts, plain_rank).num_blocks() == 3 * 1024);
  config.cache.num_blocks_override = 300;
  CHECK(plan_memory(config, facts, plain_rank).num_blocks() == 300);
}

TEST_CASE("ranks on one host share its memory, ranks on accelerators do not") {
  EngineConfig config = config_with(4096);
  config.parallel.tensor_parallel_size = 2;
  CHECK(plan_memory(config, facts, plain_rank).num_blocks() == 5 * 1024 + 512);  // 13 / 2 - 1
  RankMemory own = plain_rank;
  own.memory.is_shared = false;
  CHECK(plan_memory(config, facts, own).num_blocks() == 12 * 1024);
}

TEST_CASE("without a length the longest that fits is taken, up to what the model was made for") {
  CHECK(plan_memory(config_with(std::nullopt), facts, plain_rank).max_model_len == 4096);
  EngineConfig config = config_with(std::nullopt);
  config.cache.num_blocks_override = 100;
  CHECK(plan_memory(config, facts, plain_rank).max_model_len == 1600);
}

TEST_CASE("a length that does not fit is refused in vLLM's words, with need, have and what fits") {
  EngineConfig config = config_with(4096);
  config.cache.space_bytes = 100 * kMiB;
  CHECK(error_of([&] { plan_memory(config, facts, plain_rank); }) ==
        "To serve at least one request with the models's max seq len (4096), (0.25 GiB KV cache is "
        "needed, which is larger than the available KV cache memory (0.10 GiB). Based on the "
        "available memory, the estimated maximum model length is 1600. Try increasing "
        "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine. "
        "(--max-model-len 4096 needs 268435456 bytes, there are 104857600; --max-model-len 1600 "
        "fits. Where VLLM_CPU_KVCACHE_SPACE or --num-gpu-blocks-override is given, it sets the "
        "memory.)");
}

TEST_CASE("no memory at all is said in vLLM's words, with what would help") {
  RankMemory full = plain_rank;
  full.memory.free_bytes = 2 * kGiB;
  const std::string message = error_of([&] { plan_memory(config_with(4096), facts, full); });
  CHECK(message.starts_with(
      "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
      "initializing the engine."));
  CHECK(message.find("2.00 GiB are free") != std::string::npos);
  CHECK(message.find("lower --max-num-seqs (1000) and --max-num-batched-tokens") !=
        std::string::npos);
}

// 16 MiB of each sequence.
RankMemory rank_with_slots() {
  RankMemory rank = plain_rank;
  rank.state.slot_bytes = 16 * kMiB;
  return rank;
}

TEST_CASE("every sequence that may run has a slot for its state, and blocks get what is left") {
  const MemoryPlan plan = plan_memory(config_with(256, 100), facts, rank_with_slots());
  CHECK(plan.state.slots == 100);
  CHECK(plan.num_blocks() == 100 * 256 / 16);  // as many as they can use
  CHECK(plan_memory(config_with(4096, 700), facts, rank_with_slots()).num_blocks() ==
        12 * 1024 - 700 * 16);
  EngineConfig given = config_with(4096, 10);
  given.cache.space_bytes = kGiB;
  CHECK(plan_memory(given, facts, rank_with_slots()).num_blocks() == 1024 - 10 * 16);
}

TEST_CASE(
    "states that do not fit are refused with what one takes and how many fit beside a block") {
  CHECK(error_of([&] { plan_memory(config_with(256), facts, rank_with_slots()); }) ==
        "--max-num-seqs 1000: layers of this model keep a state of 16777216 bytes of each "
        "sequence, 15.62 GiB for so many, and there are 12.00 GiB for it; lower --max-num-seqs to "
        "at most 767. (Where VLLM_CPU_KVCACHE_SPACE is given, it sets the memory.)");
  CHECK(plan_memory(config_with(256, 767), facts, rank_with_slots()).num_blocks() == 16);
  RankMemory large = rank_with_slots();
  large.state.slot_bytes = 13 * kGiB;
  CHECK(error_of([&] {
          plan_memory(config_with(256, 1), facts, large);
        }).find("not one fits: free memory, or raise --gpu-memory-utilization") !=
        std::string::npos);
}

TEST_CASE("without keys and values all memory is for slots, and requests may be of any length") {
  RankMemory rank = rank_with_slots();
  rank.state.groups.clear();
  const MemoryPlan plan = plan_memory(config_with(std::nullopt, 768), facts, rank);
  CHECK(plan.state.slots == 768);
  CHECK(plan.state.groups.empty());
  CHECK(plan.max_model_len == 4096);
  CHECK(error_of([&] {
          plan_memory(config_with(std::nullopt, 769), facts, rank);
        }).find("lower --max-num-seqs to at most 768") != std::string::npos);
}

TEST_CASE("where slots leave too little for blocks, the refusal says what they take") {
  const std::string beside =
      " Beside the blocks, the state that layers keep of each sequence takes 16777216 bytes, 11.98 "
      "GiB for --max-num-seqs 767; a lower one leaves more to them.)";
  CHECK(error_of([&] {
          plan_memory(config_with(4096, 767), facts, rank_with_slots());
        }).ends_with(beside));
  RankMemory coarse = rank_with_slots();
  coarse.state.groups[0].block_bytes = kGiB;
  CHECK(error_of([&] { plan_memory(config_with(4096, 767), facts, coarse); }).ends_with(beside));
}

TEST_CASE("a length beyond the model's is refused as vLLM does, unless allowed") {
  EngineConfig config = config_with(5000);
  CHECK(error_of([&] { check_lengths(config, facts); })
            .starts_with("User-specified max_model_len (5000) is greater than the derived "
                         "max_model_len (max_position_embeddings=4096 or model_max_length=None in "
                         "model's config.json)."));
  config.model.allow_long_max_model_len = true;
  check_lengths(config, facts);
}

TEST_CASE("a step must hold a token of every sequence, and whole prompts where they are not cut") {
  EngineConfig config = config_with(4096);
  config.scheduler.max_step_tokens = 999;
  CHECK(error_of([&] { check_lengths(config, facts); })
            .starts_with("max_num_batched_tokens (999) must be greater than or equal to "
                         "max_num_seqs (1000)."));
  config.scheduler.max_step_tokens = 2048;
  config.scheduler.chunked_prefill = false;
  CHECK(error_of([&] {
          check_lengths(config, facts);
        }).starts_with("max_num_batched_tokens (2048) is smaller than max_model_len (4096)."));
}

constexpr int64_t kMergedPatch = int64_t{28} * 28;  // pixels

ModelFacts facts_with_pictures() {
  ModelFacts sees = facts;
  sees.image_token = TokenId(5);
  return sees;
}

EngineConfig config_with_pictures(int64_t min_pixels, int64_t max_pixels) {
  EngineConfig config;
  config.model.pictures = PatchConfig{.min_pixels = min_pixels, .max_pixels = max_pixels};
  return config;
}

TEST_CASE("pictures are planned for as large as they may be and the context has room for") {
  const EngineConfig config = config_with_pictures(3136, 5000 * kMergedPatch);
  CHECK(picture_limits(config, facts_with_pictures(), 100'000).max_tokens == 5000);
  CHECK(picture_limits(config, facts_with_pictures(), 100'000).cache_rows == 5000);
  CHECK(picture_limits(config, facts_with_pictures(), 1000).max_tokens == 999);
  CHECK(picture_limits(config, facts_with_pictures(), 1000).cache_rows == 2048);  // of a step
}

TEST_CASE("nothing is planned for pictures that the model does not see") {
  CHECK(picture_limits(config_with_pictures(3136, 28224), facts, 1000).cache_rows == 0);
  CHECK(picture_limits(EngineConfig{}, facts_with_pictures(), 1000).cache_rows == 0);
}

TEST_CASE("no picture is resized to more than is planned for") {
  for (const int64_t max_pixels : {3136, 28224, 100'000, 1'000'000}) {
    for (const int64_t min_pixels : {int64_t{3136}, max_pixels}) {
      const EngineConfig config = config_with_pictures(min_pixels, max_pixels);
      const PatchConfig& patches = *config.model.pictures;
      int64_t most = 0;
      for (int64_t height = 1; height < 3000; height += 1 + height / 7) {
        for (int64_t width = 1; width < 9000; width += 1 + width / 9) {
          if (width > 200 * height || height > 200 * width) continue;
          const PixelSize size = resized_size(width, height, patches);
          most = std::max(most, size.width * size.height / kMergedPatch);
        }
      }
      CHECK(most <= picture_limits(config, facts_with_pictures(), 100'000).max_tokens);
    }
  }
}

TEST_CASE("a picture that may not be cut must fit into a step") {
  EngineConfig config = config_with_pictures(3136, 3000 * kMergedPatch);
  config.scheduler.chunked_pictures = false;
  CHECK(error_of([&] { check_lengths(config, facts_with_pictures()); }) ==
        "Chunked MM input disabled but max_tokens_per_mm_item (3000) is larger than "
        "max_num_batched_tokens (2048). Please increase max_num_batched_tokens. (Or lower "
        "max_pixels in --mm-processor-kwargs, or leave out --disable-chunked-mm-input.)");
  CHECK_NOTHROW(check_lengths(config, facts));
}

}  // namespace
}  // namespace pagoda
