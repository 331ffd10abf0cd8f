#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

double gib(int64_t bytes) {
  return static_cast<double>(bytes) / static_cast<double>(kGiB);
}

// How many live off the memory that a rank sees.
int64_t ranks_of_memory(const EngineConfig& config, const RankMemory& rank) {
  return rank.memory.is_shared ? config.parallel.tensor_parallel_size : 1;
}

// The cache keeps within --gpu-memory-utilization of the whole memory, what others use counted in,
// and leaves a tenth and 1 GiB free besides, so that a second service on the host can live.
int64_t bytes_to_spare(const EngineConfig& config, const RankMemory& rank) {
  const DeviceMemory& memory = rank.memory;
  const int64_t ranks = ranks_of_memory(config, rank);
  const auto share = static_cast<int64_t>(static_cast<double>(memory.total_bytes) *
                                          config.cache.memory_utilization);
  const int64_t used = memory.total_bytes - memory.free_bytes;
  const int64_t reserve = memory.total_bytes / 10 + kGiB;
  const int64_t spare = std::min(share - used, memory.free_bytes - reserve);
  const int64_t once = memory.is_shared ? rank.host_bytes : 0;
  return std::max<int64_t>(0, (spare - once) / ranks - rank.workspace_bytes);
}

// For slots and blocks of one rank.
int64_t bytes_for_state(const EngineConfig& config, const RankMemory& rank) {
  return config.cache.space_bytes.value_or(bytes_to_spare(config, rank));
}

// Every sequence that may run has one.
int64_t bytes_of_slots(const EngineConfig& config, const RankMemory& rank) {
  return config.scheduler.max_sequences * rank.state.slot_bytes;
}

// Of messages about memory for blocks.
std::string beside_slots(const EngineConfig& config, const RankMemory& rank) {
  if (rank.state.slot_bytes == 0) return "";
  return fmt::format(
      " Beside the blocks, the state that layers keep of each sequence takes {} bytes, {:.2f} GiB "
      "for --max-num-seqs {}; a lower one leaves more to them.",
      rank.state.slot_bytes, gib(bytes_of_slots(config, rank)), config.scheduler.max_sequences);
}

// One block of every group is left room for.
[[noreturn]] void refuse_slots(const EngineConfig& config, const RankMemory& rank) {
  const int64_t have = bytes_for_state(config, rank);
  const int64_t fit = std::max<int64_t>(0, have - rank.state.block_bytes()) / rank.state.slot_bytes;
  const std::string remedy =
      fit > 0 ? fmt::format("lower --max-num-seqs to at most {}", fit)
              : std::string("not one fits: free memory, or raise --gpu-memory-utilization");
  throw Error(
      ErrorKind::kConfig,
      fmt::format("--max-num-seqs {}: layers of this model keep a state of {} bytes of each "
                  "sequence, {:.2f} GiB for so many, and there are {:.2f} GiB for it; {}. (Where "
                  "VLLM_CPU_KVCACHE_SPACE is given, it sets the memory.)",
                  config.scheduler.max_sequences, rank.state.slot_bytes,
                  gib(bytes_of_slots(config, rank)), gib(have), remedy));
}

struct LengthNeed {
  int64_t wanted, fits;  // tokens
  int64_t need_bytes, have_bytes;
};
[[noreturn]] void refuse_length(const LengthNeed& length, const std::string& beside) {
  throw Error(
      ErrorKind::kConfig,
      fmt::format(
          "To serve at least one request with the models's max seq len ({}), ({:.2f} GiB KV cache "
          "is needed, which is larger than the available KV cache memory ({:.2f} GiB). Based on "
          "the available memory, the estimated maximum model length is {}. Try increasing "
          "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine. "
          "(--max-model-len {} needs {} bytes, there are {}; --max-model-len {} fits. Where "
          "VLLM_CPU_KVCACHE_SPACE or --num-gpu-blocks-override is given, it sets the memory.{})",
          length.wanted, gib(length.need_bytes), gib(length.have_bytes), length.fits, length.wanted,
          length.need_bytes, length.have_bytes, length.fits, beside));
}

[[noreturn]] void refuse_memory(const EngineConfig& config, const RankMemory& rank) {
  const int64_t ranks = ranks_of_memory(config, rank);
  const std::string each = ranks > 1 ? fmt::format(" of each of {} ranks", ranks) : "";
  throw Error(
      ErrorKind::kConfig,
      fmt::format(
          "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
          "initializing the engine. (The largest step{} takes {:.2f} GiB. Of {:.2f} GiB of memory "
          "{:.2f} GiB are free, of which a tenth of all and 1 GiB are left to others. Free memory, "
          "or make steps smaller: lower --max-num-seqs ({}) and --max-num-batched-tokens "
          "({}).{})",
          each, gib(rank.workspace_bytes), gib(rank.memory.total_bytes),
          gib(rank.memory.free_bytes), config.scheduler.max_sequences,
          config.scheduler.max_step_tokens, beside_slots(config, rank)));
}

// Of the groups that look back farthest, where windows are dealt for so many sequences.
struct DealtBlocks {
  int64_t num_blocks, sequences;
};

// For as many sequences as still leave a request of `wanted` tokens its room.
DealtBlocks blocks_there_are(const EngineConfig& config, const RankMemory& rank,
                             const StateShares& shares, int64_t wanted) {
  const int64_t all = config.scheduler.max_sequences;
  if (config.cache.num_blocks_override) return {*config.cache.num_blocks_override, all};
  const int64_t bytes = bytes_for_state(config, rank) - bytes_of_slots(config, rank);
  DealtBlocks dealt = {shares.largest(bytes, all), all};
  while (dealt.sequences > 1 && shares.longest(dealt.num_blocks) < wanted) {
    --dealt.sequences;
    dealt.num_blocks = shares.largest(bytes, dealt.sequences);
  }
  return dealt;
}

// Of the largest picture that resized_size() makes. Where a side would shrink below one merged
// patch, or sides grow to whole ones, it is larger than max_pixels says.
int64_t most_picture_tokens(const PatchConfig& patches) {
  constexpr double kMostSideRatio = 200;  // as resized_size() allows
  const auto side = static_cast<double>(patches.patch_size * patches.merge_size);
  const auto most = static_cast<double>(patches.max_pixels) / (side * side);
  const auto least = static_cast<double>(patches.min_pixels) / (side * side);
  // In merged patches: sides w and h with w h = least and w <= 200 h, each rounded up.
  const double longest = std::sqrt(least * kMostSideRatio);
  const double grown = least + longest + least / longest + 1;
  return static_cast<int64_t>(std::max({most, std::sqrt(most * kMostSideRatio), grown, 1.0}));
}

}  // namespace

PictureLimits picture_limits(const EngineConfig& config, const ModelFacts& facts,
                             int64_t max_model_len) {
  if (!facts.image_token || !config.model.pictures) return {};
  // One token is left for the answer.
  const int64_t tokens = std::min(most_picture_tokens(*config.model.pictures), max_model_len - 1);
  return {.max_tokens = tokens, .cache_rows = std::max(tokens, config.scheduler.max_step_tokens)};
}

void check_lengths(const EngineConfig& config, const ModelFacts& facts) {
  const SchedulerConfig& scheduler = config.scheduler;
  const int64_t wanted = config.model.max_model_len.value_or(facts.max_positions);
  if (wanted > facts.max_positions && !config.model.allow_long_max_model_len) {
    throw Error(ErrorKind::kConfig,
                str("User-specified max_model_len (", wanted,
                    ") is greater than the derived max_model_len (max_position_embeddings=",
                    facts.max_positions,
                    " or model_max_length=None in model's config.json). This may lead to incorrect "
                    "model outputs or CUDA errors. To allow overriding this maximum, set the env "
                    "var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1"));
  }
  if (scheduler.max_step_tokens < scheduler.max_sequences) {
    throw Error(ErrorKind::kConfig,
                str("max_num_batched_tokens (", scheduler.max_step_tokens,
                    ") must be greater than or equal to max_num_seqs (", scheduler.max_sequences,
                    "). Raise --max-num-batched-tokens or lower --max-num-seqs."));
  }
  const int64_t picture = picture_limits(config, facts, wanted).max_tokens;
  if (!scheduler.chunked_pictures && picture > scheduler.max_step_tokens) {
    throw Error(ErrorKind::kConfig,
                str("Chunked MM input disabled but max_tokens_per_mm_item (", picture,
                    ") is larger than max_num_batched_tokens (", scheduler.max_step_tokens,
                    "). Please increase max_num_batched_tokens. (Or lower max_pixels in "
                    "--mm-processor-kwargs, or leave out --disable-chunked-mm-input.)"));
  }
  if (!scheduler.chunked_prefill && scheduler.max_step_tokens < wanted) {
    throw Error(ErrorKind::kConfig,
                str("max_num_batched_tokens (", scheduler.max_step_tokens,
                    ") is smaller than max_model_len (", wanted,
                    "). This effectively limits the maximum sequence length to "
                    "max_num_batched_tokens and makes vLLM reject longer sequences. Please "
                    "increase max_num_batched_tokens or decrease max_model_len."));
  }
}

MemoryPlan plan_memory(const EngineConfig& config, const ModelFacts& facts,
                       const RankMemory& rank) {
  const SchedulerConfig& scheduler = config.scheduler;
  const StateShares shares(rank.state, scheduler.max_step_tokens);
  if (bytes_of_slots(config, rank) > bytes_for_state(config, rank)) refuse_slots(config, rank);
  const int64_t hoped_for = config.model.max_model_len.value_or(facts.max_positions);
  const DealtBlocks there_are = blocks_there_are(config, rank, shares, hoped_for);
  const int64_t fits = shares.longest(there_are.num_blocks);
  if (fits == 0) refuse_memory(config, rank);
  const int64_t wanted = config.model.max_model_len.value_or(std::min(fits, facts.max_positions));
  if (wanted > fits) {
    const int64_t needed = shares.useful(wanted, 1);
    refuse_length({.wanted = wanted,
                   .fits = fits,
                   .need_bytes = shares.bytes(shares.dealt(needed, 1)),
                   .have_bytes = shares.bytes(shares.dealt(there_are.num_blocks, 1))},
                  beside_slots(config, rank));
  }
  const bool is_given = config.cache.num_blocks_override || config.cache.space_bytes;
  const int64_t useful = shares.useful(wanted, scheduler.max_sequences);
  const std::vector<int64_t> blocks =
      shares.dealt(is_given ? there_are.num_blocks : std::min(there_are.num_blocks, useful),
                   there_are.sequences);
  MemoryPlan plan = {.state = {.groups = {},
                               .block_size = rank.state.block_size,
                               .slots = rank.state.slot_bytes > 0 ? scheduler.max_sequences : 0},
                     .max_model_len = wanted};
  for (size_t i = 0; i < blocks.size(); ++i) {
    plan.state.groups.push_back({rank.state.groups[i].window, blocks[i]});
  }
  return plan;
}

int64_t MemoryPlan::num_blocks() const {
  int64_t most = 0;
  for (const GroupSize& group : state.groups) most = std::max(most, group.num_blocks);
  return most;
}

int64_t state_bytes(const MemoryPlan& plan, const StateNeed& need) {
  int64_t bytes = plan.state.slots * need.slot_bytes;
  for (size_t i = 0; i < need.groups.size(); ++i) {
    bytes += plan.state.groups[i].num_blocks * need.groups[i].block_bytes;
  }
  return bytes;
}

double requests_at_once(const MemoryPlan& plan, int64_t step_tokens) {
  const int64_t tokens = plan.max_model_len, block_size = plan.state.block_size;
  double fewest = plan.state.slots > 0 ? static_cast<double>(plan.state.slots) : INFINITY;
  for (const GroupSize& group : plan.state.groups) {
    const StateSpan span = {group.window, block_size};
    const int64_t held = span.most_held(tokens, step_tokens);
    const int64_t needed = held < span.blocks_for(tokens) ? held * block_size : tokens;
    const auto there_are = static_cast<double>(group.num_blocks * block_size);
    fewest = std::min(fewest, there_are / static_cast<double>(needed));
  }
  return fewest;
}

}  // namespace pagoda
