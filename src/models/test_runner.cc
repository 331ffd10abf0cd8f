#include "models/test_runner.h"

#include <algorithm>
#include <numeric>

#include "base/must.h"

namespace pagoda {
namespace {

constexpr int64_t kBlocks = 96, kBlockSize = 16;
constexpr int64_t kScratchBytes = int64_t{1} << 28;  // reserved, not touched
constexpr int64_t kInputBytes = int64_t{1} << 22;

}  // namespace

TestRunner::TestRunner(const HfConfig& config, const WeightSource& source, const TestRank& rank,
                       DType dtype, Ops* ops)
    : device_(*rank.device),
      communicator_(*rank.communicator),
      ops_(ops != nullptr ? *ops : device_.ops()),
      vocab_(facts_of(config).vocab),
      store_(source, device_,
             {.dtype = dtype,
              .rank = communicator_.rank(),
              .ranks = communicator_.size(),
              .progress = nullptr}),
      model_(make_model(config, store_.root(), facts_of(config).max_positions)),
      free_blocks_(kBlocks),
      scratch_(device_.allocate(kScratchBytes), dtype),
      inputs_(device_.allocate(kInputBytes), dtype) {
  make_cache(model_->kv_geometry(), dtype);
  // Neighbors in a sequence must not be neighbors in memory: 37 and 96 have no common divisor.
  for (size_t i = 0; i < free_blocks_.size(); ++i) {
    free_blocks_[i] = static_cast<int32_t>(i * 37 % kBlocks);
  }
}

void TestRunner::make_cache(const KvGeometry& geometry, DType dtype) {
  const KvShape shape = {.kv_heads = geometry.kv_heads,
                         .key_dim = geometry.key_dim,
                         .value_dim = geometry.value_dim,
                         .dtype = dtype};
  const int64_t block_bytes = device_.kv_block_bytes(shape, kBlockSize);
  for (int64_t layer = 0; layer < geometry.layers; ++layer) {
    cache_.push_back(device_.allocate(kBlocks * block_bytes));
    kv_.push_back({.blocks = make_view(cache_.back().data(), {kBlocks, block_bytes}, DType::kU8),
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
  std::vector<int32_t> table(portions.size() * kBlocks, INT32_MAX);
  for (size_t i = 0; i < portions.size(); ++i) {
    const std::vector<int32_t>& blocks = portions[i].sequence->blocks;
    std::copy(blocks.begin(), blocks.end(), table.begin() + static_cast<int64_t>(i) * kBlocks);
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
                       .attention = {.block_table = reshaped(input(table), {sequences, kBlocks}),
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

}  // namespace pagoda
