#include "engine/batch_builder.h"

#include <algorithm>
#include <utility>

#include "base/must.h"

namespace pagoda {
namespace {

// Sequences whose slots are to be cleared.
int64_t num_begun(const StepPlan& plan) {
  if (plan.slots.empty()) return 0;
  return std::count_if(plan.chunks.begin(), plan.chunks.end(),
                       [](const PlannedChunk& chunk) { return chunk.first == 0; });
}

}  // namespace

// Where in the one array of i32 each tensor begins, each on a cache line of its own.
struct BatchBuilder::Layout {
  explicit Layout(const BatchLimits& size)
      : tokens(0),
        positions(after(tokens, size.tokens)),
        output_rows(after(positions, size.axes * size.tokens)),
        query_offsets(after(output_rows, size.outputs)),
        kv_lengths(after(query_offsets, size.sequences + 1)),
        group(after(kv_lengths, size.sequences)),
        group_slots(after(0, size.sequences * size.blocks_a_sequence)),
        group_size(after(group_slots, size.tokens)),
        given_rows(group + static_cast<int64_t>(size.groups) * group_size),
        picture_rows(after(given_rows, size.given)),
        hidden_rows(after(picture_rows, size.given)),
        chosen_tokens(after(hidden_rows, size.hidden)),
        chosen_outputs(after(chosen_tokens, size.chosen)),
        state_slots(after(chosen_outputs, size.chosen)),
        begun_slots(after(state_slots, size.slots)),
        end(after(begun_slots, size.begun)),
        blocks_a_sequence(size.blocks_a_sequence) {}

  static int64_t after(int64_t begin, int64_t count) { return (begin + count + 15) / 16 * 16; }

  int64_t block_table(size_t i) const { return group + static_cast<int64_t>(i) * group_size; }
  int64_t slots(size_t i) const { return block_table(i) + group_slots; }

  int64_t tokens, positions, output_rows, query_offsets, kv_lengths;
  int64_t group, group_slots, group_size;  // of each group of layers: a block table, then slots
  int64_t given_rows, picture_rows, hidden_rows, chosen_tokens, chosen_outputs;
  int64_t state_slots, begun_slots, end;
  int64_t blocks_a_sequence;  // from one row of the block table to the next
};

BatchBuilder::BatchBuilder(Device& device, const BatchLimits& limits, int64_t block_size)
    : block_size_(block_size),
      axes_(limits.axes),
      groups_(limits.groups),
      buffer_(device.allocate(bytes(limits))),
      staging_(device, buffer_.bytes(), kHostCopies) {}

int64_t BatchBuilder::bytes(const BatchLimits& limits) {
  return Layout(limits).end * bytes_of(DType::kI32);
}

StepInput& BatchBuilder::build(const StepPlan& plan, std::span<const TokenId> sampled) {
  BatchLimits size = {.tokens = plan.num_tokens(),
                      .sequences = static_cast<int64_t>(plan.chunks.size()),
                      .outputs = plan.num_outputs(),
                      .blocks_a_sequence = 0,
                      .hidden = plan.num_hidden(),
                      .given = plan.num_given(),
                      .chosen = sampled.empty() ? static_cast<int64_t>(plan.sampled.size()) : 0,
                      .axes = axes_,
                      .groups = groups_,
                      .slots = static_cast<int64_t>(plan.slots.size()),
                      .begun = num_begun(plan)};
  for (const PlannedChunk& chunk : plan.chunks) {
    size.blocks_a_sequence = std::max(size.blocks_a_sequence, blocks_of(chunk));
  }
  const Layout layout(size);
  host_ = static_cast<int32_t*>(staging_.next());
  std::fill_n(host_, layout.end, 0);
  fill(plan, sampled, layout);
  staging_.upload(make_view(buffer_.data(), {layout.end}, DType::kI32));

  point_at(layout, size);
  return input_;
}

void BatchBuilder::point_at(const Layout& layout, const BatchLimits& size) {
  const auto view = [&](int64_t begin, std::initializer_list<int64_t> shape) {
    return make_view(static_cast<int32_t*>(buffer_.data()) + begin, shape, DType::kI32);
  };
  Batch& batch = input_.batch;
  batch.tokens = view(layout.tokens, {size.tokens});
  batch.positions = view(layout.positions, {size.axes, size.tokens});
  batch.output_rows = view(layout.output_rows, {size.outputs});
  batch.given = {};
  batch.given_rows = view(layout.given_rows, {size.given});
  batch.paged.resize(groups_);
  for (size_t i = 0; i < groups_; ++i) {
    batch.paged[i] = {
        .slots = view(layout.slots(i), {size.tokens}),
        .attention = {
            .block_table = view(layout.block_table(i), {size.sequences, size.blocks_a_sequence}),
            .query_offsets = view(layout.query_offsets, {size.sequences + 1}),
            .kv_lengths = view(layout.kv_lengths, {size.sequences})}};
  }
  batch.fixed = {.slots = view(layout.state_slots, {size.slots}),
                 .query_offsets = view(layout.query_offsets, {size.sequences + 1})};
  input_.picture_rows = view(layout.picture_rows, {size.given});
  input_.hidden_rows = view(layout.hidden_rows, {size.hidden});
  input_.chosen_tokens = view(layout.chosen_tokens, {size.chosen});
  input_.chosen_outputs = view(layout.chosen_outputs, {size.chosen});
  input_.begun_slots = view(layout.begun_slots, {size.begun});
}

int64_t BatchBuilder::blocks_of(const PlannedChunk& chunk) const {
  return (chunk.end() + block_size_ - 1) / block_size_;
}

void BatchBuilder::fill(const StepPlan& plan, std::span<const TokenId> sampled,
                        const Layout& layout) {
  fill_tokens(plan, sampled, layout);
  fill_sequences(plan, layout);
  fill_positions(plan, layout);
  for (size_t group = 0; group < groups_; ++group) fill_blocks(plan, layout, group);
  fill_given(plan, layout);
  fill_slots(plan, layout);
}

// Those that only the device knows are copied there.
void BatchBuilder::fill_tokens(const StepPlan& plan, std::span<const TokenId> sampled,
                               const Layout& layout) {
  int32_t* tokens = numbers(layout.tokens);
  std::transform(plan.tokens.begin(), plan.tokens.end(), tokens,
                 [](TokenId token) { return token.value(); });
  if (sampled.empty()) return fill_chosen(plan, layout);
  for (const SampledToken& one : plan.sampled) {
    tokens[one.token] = sampled[static_cast<size_t>(one.output)].value();
  }
}

void BatchBuilder::fill_chosen(const StepPlan& plan, const Layout& layout) {
  int32_t* tokens = numbers(layout.chosen_tokens);
  int32_t* outputs = numbers(layout.chosen_outputs);
  for (const SampledToken& one : plan.sampled) {
    *tokens++ = one.token;
    *outputs++ = one.output;
  }
}

void BatchBuilder::fill_sequences(const StepPlan& plan, const Layout& layout) {
  int32_t* outputs = numbers(layout.output_rows);
  int32_t* hidden = numbers(layout.hidden_rows);
  int32_t* offsets = numbers(layout.query_offsets);
  int32_t* lengths = numbers(layout.kv_lengths);
  int64_t row = 0;
  for (const PlannedChunk& chunk : plan.chunks) {
    row += chunk.count;
    for (int64_t i = chunk.outputs; i > 0; --i) *outputs++ = static_cast<int32_t>(row - i);
    for (int64_t i = chunk.hidden; i > 0; --i) *hidden++ = static_cast<int32_t>(row - i);
    *++offsets = static_cast<int32_t>(row);
    *lengths++ = static_cast<int32_t>(chunk.end());
  }
}

// A token's position is its number, where no picture bends it; on one axis nothing does.
void BatchBuilder::fill_positions(const StepPlan& plan, const Layout& layout) {
  int32_t* row = numbers(layout.positions);
  auto bent = plan.positions.begin();
  for (const PlannedChunk& chunk : plan.chunks) {
    for (int64_t token = chunk.first; token < chunk.end(); ++token, ++row) {
      const auto number = static_cast<int32_t>(token);
      const BentPosition at = chunk.is_bent ? *bent++ : BentPosition{number, number, number};
      fill_position(row, axes_ == 1 ? BentPosition{number} : at, plan.num_tokens());
    }
  }
}

void BatchBuilder::fill_position(int32_t* row, const BentPosition& at, int64_t stride) const {
  for (int64_t axis = 0; axis < axes_; ++axis) row[axis * stride] = at[static_cast<size_t>(axis)];
}

// Each sequence's row of the block table, and where its tokens go.
void BatchBuilder::fill_blocks(const StepPlan& plan, const Layout& layout, size_t group) {
  int32_t* table = numbers(layout.block_table(group));
  int32_t* slots = numbers(layout.slots(group));
  auto block = plan.tables.at(group).blocks.begin();
  for (const PlannedChunk& chunk : plan.chunks) {
    for (int64_t i = 0; i < blocks_of(chunk); ++i) table[i] = (block++)->value();
    for (int64_t token = chunk.first; token < chunk.end(); ++token) {
      const int64_t slot = table[token / block_size_] * block_size_ + token % block_size_;
      *slots++ = static_cast<int32_t>(slot);
    }
    table += layout.blocks_a_sequence;
  }
}

void BatchBuilder::fill_given(const StepPlan& plan, const Layout& layout) {
  int32_t* tokens = numbers(layout.given_rows);
  int32_t* rows = numbers(layout.picture_rows);
  for (const GivenToken& given : plan.given) {
    *tokens++ = given.token;
    *rows++ = given.row;
  }
}

// A sequence begins with its first token, again after a preemption.
void BatchBuilder::fill_slots(const StepPlan& plan, const Layout& layout) {
  MUST(plan.slots.empty() || plan.slots.size() == plan.chunks.size());
  std::copy(plan.slots.begin(), plan.slots.end(), numbers(layout.state_slots));
  int32_t* begun = numbers(layout.begun_slots);
  for (size_t i = 0; i < plan.slots.size(); ++i) {
    if (plan.chunks[i].first == 0) *begun++ = plan.slots[i];
  }
}

StepInput input_without_memory(const BatchLimits& limits) {
  const auto view = [](std::initializer_list<int64_t> shape) {
    return make_view(nullptr, shape, DType::kI32);
  };
  const PagedTokens paged = {
      .slots = view({limits.tokens}),
      .attention = {.block_table = view({limits.sequences, limits.blocks_a_sequence}),
                    .query_offsets = view({limits.sequences + 1}),
                    .kv_lengths = view({limits.sequences})}};
  return {.batch = {.tokens = view({limits.tokens}),
                    .positions = view({limits.axes, limits.tokens}),
                    .output_rows = view({limits.outputs}),
                    .given = {},
                    .given_rows = view({limits.given}),
                    .paged = std::vector(limits.groups, paged),
                    .fixed = {.slots = view({limits.slots}),
                              .query_offsets = view({limits.sequences + 1})}},
          .picture_rows = view({limits.given}),
          .hidden_rows = view({limits.hidden}),
          .chosen_tokens = view({limits.chosen}),
          .chosen_outputs = view({limits.chosen}),
          .begun_slots = view({limits.begun})};
}

}  // namespace pagoda
