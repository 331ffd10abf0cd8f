#include "models/test_runner.h"

#include <algorithm>
#include <numeric>

#include "base/must.h"

namespace pagoda {
namespace {

constexpr int64_t kBlockSize = 16;
constexpr int64_t kScratchBytes = int64_t{1} << 28;  // reserved, not touched
constexpr int64_t kInputBytes = int64_t{1} << 22;

}  // namespace

TestRunner::TestRunner(const HfConfig& config, const WeightSource& source, const TestRank& rank,
                       const TestRunnerOptions& options)
    : device_(*rank.device),
      communicator_(*rank.communicator),
      ops_(options.ops != nullptr ? *options.ops : device_.ops()),
      vocab_(facts_of(config).vocab),
      store_(source, device_,
             {.dtype = options.dtype,
              .rank = communicator_.rank(),
              .ranks = communicator_.size(),
              .progress = nullptr,
              .expert_parallel = options.expert_parallel}),
      model_(make_model(config, store_.root(), facts_of(config).max_positions)),
      blocks_(options.blocks),
      free_blocks_(static_cast<size_t>(blocks_)),
      scratch_(device_.allocate(kScratchBytes), options.dtype),
      inputs_(device_.allocate(kInputBytes), options.dtype) {
  make_cache(model_->kv_geometry(), options);
  // Neighbors in a sequence must not be neighbors in memory: 37 divides no number of blocks here.
  for (int64_t i = 0; i < blocks_; ++i) {
    free_blocks_[static_cast<size_t>(i)] = static_cast<int32_t>(i * 37 % blocks_);
  }
}

void TestRunner::make_cache(const KvGeometry& geometry, const TestRunnerOptions& options) {
  const KvShape shape = {.kv_heads = geometry.kv_heads,
                         .key_dim = geometry.key_dim,
                         .value_dim = geometry.value_dim,
                         .dtype = options.dtype};
  const int64_t block_bytes = device_.kv_block_bytes(shape, kBlockSize);
  for (int64_t layer = 0; layer < geometry.layers; ++layer) {
    cache_.push_back(device_.allocate(blocks_ * block_bytes));
    kv_.push_back({.blocks = make_view(cache_.back().data(), {blocks_, block_bytes}, DType::kU8),
                   .shape = shape,
                   .block_size = kBlockSize});
  }
}

Tensor TestRunner::input(const std::vector<int32_t>& values) {
  const Tensor t = inputs_.make({static_cast<int64_t>(values.size())}, DType::kI32);
  device_.copy_in(t, values.data());
  return t;
}

void TestRunner::make_room(TestSequence& sequence, int64_t tokens) {
  while (static_cast<int64_t>(sequence.blocks.size()) * kBlockSize < sequence.computed + tokens) {
    MUST(!free_blocks_.empty());
    sequence.blocks.push_back(free_blocks_.back());
    free_blocks_.pop_back();
  }
}

std::vector<float> TestRunner::step(const std::vector<Portion>& portions) {
  std::vector<int32_t> tokens, positions, slots, offsets = {0}, lengths;
  for (const Portion& p : portions) {
    make_room(*p.sequence, p.tokens);
    for (int64_t i = p.sequence->computed; i < p.sequence->computed + p.tokens; ++i) {
      const int32_t block = p.sequence->blocks[static_cast<size_t>(i / kBlockSize)];
      tokens.push_back(p.sequence->tokens[static_cast<size_t>(i)]);
      positions.push_back(static_cast<int32_t>(i));
      slots.push_back(static_cast<int32_t>(block * kBlockSize + i % kBlockSize));
    }
    p.sequence->computed += p.tokens;
    offsets.push_back(static_cast<int32_t>(tokens.size()));
    lengths.push_back(static_cast<int32_t>(p.sequence->computed));
  }
  // Entries beyond a sequence's blocks are not to be read: INT32_MAX would show.
  std::vector<int32_t> table(portions.size() * static_cast<size_t>(blocks_), INT32_MAX);
  for (size_t i = 0; i < portions.size(); ++i) {
    const std::vector<int32_t>& blocks = portions[i].sequence->blocks;
    std::copy(blocks.begin(), blocks.end(), table.begin() + static_cast<int64_t>(i) * blocks_);
  }
  std::vector<int32_t> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);

  inputs_.reset();
  scratch_.reset();
  const auto count = static_cast<int64_t>(tokens.size());
  const auto sequences = static_cast<int64_t>(portions.size());
  const Batch batch = {.tokens = input(tokens),
                       .positions = reshaped(input(positions), {1, count}),
                       .slots = input(slots),
                       .output_rows = input(rows),
                       .given = {},
                       .given_rows = {},
                       .attention = {.block_table = reshaped(input(table), {sequences, blocks_}),
                                     .query_offsets = input(offsets),
                                     .kv_lengths = input(lengths)}};
  Step step = {.ops = ops_,
               .tensor_parallel = communicator_,
               .scratch = scratch_,
               .batch = batch,
               .kv = kv_};
  const Tensor logits = model_->forward(step);
  device_.synchronize();
  std::vector<float> host(static_cast<size_t>(logits.count()));
  device_.copy_out(host.data(), logits);
  return host;
}

std::vector<std::vector<int32_t>> TestRunner::continue_greedily(
    const std::vector<std::vector<int32_t>>& prompts, const std::vector<size_t>& counts) {
  std::vector<std::vector<int32_t>> continuations(prompts.size());
  std::vector<TestSequence> sequences;
  sequences.reserve(prompts.size());
  for (const auto& prompt : prompts) sequences.push_back({.tokens = prompt});
  for (;;) {
    std::vector<Portion> portions;
    std::vector<size_t> which;
    for (size_t i = 0; i < prompts.size(); ++i) {
      if (continuations[i].size() == counts[i]) continue;
      const auto length = static_cast<int64_t>(sequences[i].tokens.size());
      portions.push_back({&sequences[i], length - sequences[i].computed});
      which.push_back(i);
    }
    if (portions.empty()) return continuations;
    const std::vector<float> logits = step(portions);
    const float* row = logits.data();
    for (size_t p = 0; p < portions.size(); ++p) {
      row += portions[p].tokens * vocab_;
      const int32_t next = most_likely({row - vocab_, row});
      continuations[which[p]].push_back(next);
      portions[p].sequence->tokens.push_back(next);
    }
  }
}

int32_t most_likely(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace pagoda
