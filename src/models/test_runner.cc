#include "models/test_runner.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/must.h"
#include "load/weights.h"
#include "nn/rotary_positions.h"

namespace pagoda {
namespace {

constexpr int64_t kBlockSize = 16;                   // where the device can
constexpr int64_t kScratchBytes = int64_t{1} << 28;  // reserved, not touched
constexpr int64_t kInputBytes = int64_t{1} << 22;

size_t num_groups(const Model& model) {
  return groups_of(model.state()).windows.size();
}

}  // namespace

TestRunner::TestRunner(const ModelDefinition& definition, const WeightSource& source,
                       const TestRank& rank, const TestRunnerOptions& options)
    : device_(*rank.device),
      communicator_(*rank.communicator),
      ops_(options.ops != nullptr ? *options.ops : device_.ops()),
      is_last_stage_(options.layers.last >= definition.facts.layers),
      vocab_(definition.facts.vocab),
      position_axes_(definition.facts.position_axes),
      schemes_(definition.schemes()),
      store_(source, device_,
             {.dtype = options.dtype,
              .rank = communicator_.rank(),
              .ranks = communicator_.size(),
              .progress = nullptr,
              .expert_parallel = options.expert_parallel,
              .schemes = &schemes_}),
      model_(definition.make(store_.root(), {.max_positions = options.max_positions > 0
                                                                  ? options.max_positions
                                                                  : definition.facts.max_positions,
                                             .layers = options.layers})),
      block_size_(device_.kv_block_size(kBlockSize)),
      blocks_(options.blocks * kBlockSize / block_size_),
      state_(device_, model_->state(),
             {.block_size = block_size_,
              .num_blocks = std::vector<int64_t>(num_groups(*model_), blocks_),
              .slots = 0}),
      free_blocks_(static_cast<size_t>(blocks_)),
      scratch_(device_.allocate(kScratchBytes), options.dtype),
      inputs_(device_.allocate(kInputBytes), options.dtype) {
  // Neighbors in a sequence must not be neighbors in memory: 37 divides no number of blocks here.
  for (int64_t i = 0; i < blocks_; ++i) {
    free_blocks_[static_cast<size_t>(i)] = static_cast<int32_t>(i * 37 % blocks_);
  }
}

Tensor TestRunner::input(const std::vector<int32_t>& values) {
  const Tensor t = inputs_.make({static_cast<int64_t>(values.size())}, DType::kI32);
  device_.copy_in(t, values.data());
  return t;
}

void TestRunner::make_room(TestSequence& sequence, int64_t tokens) {
  while (static_cast<int64_t>(sequence.blocks.size()) * block_size_ < sequence.computed + tokens) {
    MUST(!free_blocks_.empty());
    sequence.blocks.push_back(free_blocks_.back());
    free_blocks_.pop_back();
  }
}

Tensor TestRunner::numbers(Workspace& memory, const std::vector<float>& values, int64_t columns) {
  const DType dtype = memory.activations();
  const Tensor t = memory.make({static_cast<int64_t>(values.size()) / columns, columns});
  if (dtype == DType::kF32) {
    device_.copy_in(t, values.data());
    return t;
  }
  std::vector<uint16_t> rounded;
  rounded.reserve(values.size());
  for (const float x : values) {
    rounded.push_back(dtype == DType::kBF16 ? std::bit_cast<uint16_t>(from_float<BFloat16>(x))
                                            : std::bit_cast<uint16_t>(from_float<Float16>(x)));
  }
  device_.copy_in(t, rounded.data());
  return t;
}

std::vector<float> TestRunner::host(Tensor t) {
  device_.synchronize();
  std::vector<float> values(static_cast<size_t>(t.count()));
  if (t.dtype == DType::kF32) {
    device_.copy_out(values.data(), t);
    return values;
  }
  std::vector<uint16_t> bits(values.size());
  device_.copy_out(bits.data(), t);
  for (size_t i = 0; i < bits.size(); ++i) {
    values[i] = t.dtype == DType::kBF16 ? to_float(std::bit_cast<BFloat16>(bits[i]))
                                        : to_float(std::bit_cast<Float16>(bits[i]));
  }
  return values;
}

// Rows of pictures for the tokens of a portion, whose first token is row `first_row` of the batch.
void TestRunner::give_pictures(const Portion& portion, int32_t first_row,
                               std::vector<float>& values, std::vector<int32_t>& rows) const {
  const int64_t begin = portion.sequence->computed, end = begin + portion.tokens;
  for (const TestPicture& picture : portion.sequence->pictures) {
    const int64_t count = picture.rows * picture.columns;
    const int64_t hidden = static_cast<int64_t>(picture.embeddings.size()) / count;
    const int64_t first = std::max(begin, picture.first);
    const int64_t last = std::min(end, picture.first + count);
    for (int64_t i = first; i < last; ++i) {
      const float* row = picture.embeddings.data() + (i - picture.first) * hidden;
      values.insert(values.end(), row, row + hidden);
      rows.push_back(first_row + static_cast<int32_t>(i - begin));
    }
  }
}

// Of the next tokens of a portion, appended to each axis.
void TestRunner::append_positions(const Portion& portion,
                                  std::vector<std::vector<int32_t>>& positions) {
  RotaryPositions places;
  for (const TestPicture& t : portion.sequence->pictures) {
    places.add_picture(t.first, t.rows, t.columns);
  }
  const int64_t begin = portion.sequence->computed;
  for (int64_t i = begin; i < begin + portion.tokens; ++i) {
    for (size_t axis = 0; axis < positions.size(); ++axis) {
      positions[axis].push_back(places.at(i)[axis]);
    }
  }
}

// Entries beyond a sequence's blocks are not to be read: INT32_MAX would show.
Tensor TestRunner::block_table(const std::vector<Portion>& portions) {
  std::vector<int32_t> table(portions.size() * static_cast<size_t>(blocks_), INT32_MAX);
  for (size_t i = 0; i < portions.size(); ++i) {
    const std::vector<int32_t>& blocks = portions[i].sequence->blocks;
    std::copy(blocks.begin(), blocks.end(), table.begin() + static_cast<int64_t>(i) * blocks_);
  }
  return reshaped(input(table), {std::ssize(portions), blocks_});
}

Batch TestRunner::batch_of(const std::vector<Portion>& portions) {
  std::vector<int32_t> tokens, slots, offsets = {0}, lengths, given_rows;
  std::vector<std::vector<int32_t>> positions(static_cast<size_t>(position_axes_));
  std::vector<float> given;
  for (const Portion& p : portions) {
    make_room(*p.sequence, p.tokens);
    give_pictures(p, static_cast<int32_t>(tokens.size()), given, given_rows);
    append_positions(p, positions);
    for (int64_t i = p.sequence->computed; i < p.sequence->computed + p.tokens; ++i) {
      const int32_t block = p.sequence->blocks[static_cast<size_t>(i / block_size_)];
      tokens.push_back(p.sequence->tokens[static_cast<size_t>(i)]);
      slots.push_back(static_cast<int32_t>(block * block_size_ + i % block_size_));
    }
    p.sequence->computed += p.tokens;
    offsets.push_back(static_cast<int32_t>(tokens.size()));
    lengths.push_back(static_cast<int32_t>(p.sequence->computed));
  }
  std::vector<int32_t> rows(tokens.size()), all_positions;
  std::iota(rows.begin(), rows.end(), 0);
  for (const auto& axis : positions) {
    all_positions.insert(all_positions.end(), axis.begin(), axis.end());
  }
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t given_count = static_cast<int64_t>(given_rows.size());
  const PagedTokens paged = {.slots = input(slots),
                             .attention = {.block_table = block_table(portions),
                                           .query_offsets = input(offsets),
                                           .kv_lengths = input(lengths)}};
  return {
      .tokens = input(tokens),
      .positions = reshaped(input(all_positions), {position_axes_, count}),
      .output_rows = input(rows),
      .given = given.empty() ? Tensor{} : numbers(inputs_, given, std::ssize(given) / given_count),
      .given_rows = given.empty() ? Tensor{} : input(given_rows),
      .paged = std::vector(num_groups(*model_), paged)};
}

std::vector<float> TestRunner::step(const std::vector<Portion>& portions,
                                    const std::vector<float>& stream) {
  inputs_.reset();
  scratch_.reset();
  Batch batch = batch_of(portions);
  if (!stream.empty()) {
    batch.stream = numbers(inputs_, stream, std::ssize(stream) / batch.tokens.dim(0));
  }
  Step step = {.ops = ops_,
               .tensor_parallel = communicator_,
               .scratch = scratch_,
               .batch = batch,
               .state = state_.memory()};
  return host(is_last_stage_ ? run_model(*model_, step).logits : model_->hidden(step));
}

std::vector<float> TestRunner::encode(const Image& resized, const PatchConfig& config,
                                      const std::vector<int64_t>& cuts, const SeeStream& after) {
  const ImageEncoder& encoder = *model_->image_encoder();
  inputs_.reset();
  scratch_.reset();
  const PatchGrid grid = grid_of(resized, config);
  const PatchLayout layout = encoder.layout(grid);
  std::vector<float> pixels;
  for (const int32_t group : layout.groups) append_merged_patch(pixels, resized, config, group);
  std::vector<int32_t> places = layout.rows;
  places.insert(places.end(), layout.columns.begin(), layout.columns.end());
  const PatchBatch picture = {.patches = numbers(inputs_, pixels, patch_numbers(config)),
                              .positions = reshaped(input(places), {2, grid.patches()}),
                              .windows = input(layout.windows),
                              .whole = input({0, static_cast<int32_t>(grid.patches())})};
  const Tensor stream = inputs_.make({grid.patches(), encoder.width()});
  const Batch batch = {};
  Step step = {.ops = ops_,
               .tensor_parallel = communicator_,
               .scratch = scratch_,
               .batch = batch,
               .state = state_.memory()};
  int64_t first = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const int64_t last = i < cuts.size() ? cuts[i] : encoder.stages();
    encoder.run(step, picture, stream, {first, last});
    if (after) after(host(stream));
    first = last;
  }
  const Tensor rows = encoder.finish(step, stream);
  const std::vector<float> made = host(rows);
  std::vector<float> out(made.size());
  const int64_t hidden = rows.dim(1);
  for (size_t i = 0; i < layout.groups.size(); ++i) {
    std::copy_n(made.begin() + static_cast<int64_t>(i) * hidden, hidden,
                out.begin() + layout.groups[i] * hidden);
  }
  return out;
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
