#include "engine/batch_builder.h"

#include <algorithm>
#include <array>

namespace pagoda {

// Where in the one array of i32 each tensor begins, each on a cache line of its own.
struct BatchBuilder::Layout {
  explicit Layout(const BatchLimits& size)
      : tokens(0),
        positions(after(tokens, size.tokens)),
        slots(after(positions, size.axes * size.tokens)),
        output_rows(after(slots, size.tokens)),
        query_offsets(after(output_rows, size.outputs)),
        kv_lengths(after(query_offsets, size.sequences + 1)),
        block_table(after(kv_lengths, size.sequences)),
        given_rows(after(block_table, size.sequences * size.blocks_a_sequence)),
        picture_rows(after(given_rows, size.given)),
        end(after(picture_rows, size.given)),
        position_stride(size.tokens) {}

  static int64_t after(int64_t begin, int64_t count) { return (begin + count + 15) / 16 * 16; }

  int64_t tokens, positions, slots, output_rows, query_offsets, kv_lengths, block_table;
  int64_t given_rows, picture_rows, end;
  int64_t position_stride;  // from one axis to the next
};

BatchBuilder::BatchBuilder(Device& device, const BatchLimits& limits, int64_t block_size)
    : device_(device),
      block_size_(block_size),
      axes_(limits.axes),
      groups_(limits.groups),
      buffer_(device.allocate(Layout(limits).end * bytes_of(DType::kI32))) {}

StepInput BatchBuilder::build(const StepPlan& plan) {
  BatchLimits size = {.tokens = plan.num_tokens(),
                      .sequences = static_cast<int64_t>(plan.chunks.size()),
                      .outputs = plan.num_outputs(),
                      .blocks_a_sequence = 0,
                      .given = plan.num_given(),
                      .axes = axes_};
  for (const PlannedChunk& chunk : plan.chunks) {
    const int64_t blocks = (chunk.first + chunk.count + block_size_ - 1) / block_size_;
    size.blocks_a_sequence = std::max(size.blocks_a_sequence, blocks);
  }
  const Layout layout(size);
  host_.assign(static_cast<size_t>(layout.end), 0);
  int64_t row = 0, output = 0;
  for (int64_t i = 0; i < size.sequences; ++i) {
    const PlannedChunk& chunk = plan.chunks[static_cast<size_t>(i)];
    fill_tokens(chunk, row, layout);
    int32_t* table = host_.data() + layout.block_table + i * size.blocks_a_sequence;
    const int64_t blocks = (chunk.first + chunk.count + block_size_ - 1) / block_size_;
    for (const BlockRef& block : chunk.sequence->blocks().first(static_cast<size_t>(blocks))) {
      *table++ = block.id().value();
    }
    row += chunk.count;
    for (int64_t j = chunk.outputs; j > 0; --j) {
      host_[static_cast<size_t>(layout.output_rows + output++)] = static_cast<int32_t>(row - j);
    }
    host_[static_cast<size_t>(layout.query_offsets + i + 1)] = static_cast<int32_t>(row);
    host_[static_cast<size_t>(layout.kv_lengths + i)] =
        static_cast<int32_t>(chunk.first + chunk.count);
  }
  fill_given(plan, layout);
  device_.copy_in(make_view(buffer_.data(), {layout.end}, DType::kI32), host_.data());

  const auto view = [&](int64_t begin, std::initializer_list<int64_t> shape) {
    return make_view(static_cast<int32_t*>(buffer_.data()) + begin, shape, DType::kI32);
  };
  const PagedTokens paged = {
      .slots = view(layout.slots, {size.tokens}),
      .attention = {
          .block_table = view(layout.block_table, {size.sequences, size.blocks_a_sequence}),
          .query_offsets = view(layout.query_offsets, {size.sequences + 1}),
          .kv_lengths = view(layout.kv_lengths, {size.sequences})}};
  return {.batch = {.tokens = view(layout.tokens, {size.tokens}),
                    .positions = view(layout.positions, {size.axes, size.tokens}),
                    .output_rows = view(layout.output_rows, {size.outputs}),
                    .given = {},
                    .given_rows = view(layout.given_rows, {size.given}),
                    .paged = std::vector(groups_, paged)},
          .picture_rows = view(layout.picture_rows, {size.given})};
}

void BatchBuilder::fill_given(const StepPlan& plan, const Layout& layout) {
  int64_t row = 0;
  size_t at = 0;
  for (const PlannedChunk& chunk : plan.chunks) {
    for (const GivenToken& given : chunk.given) {
      host_[static_cast<size_t>(layout.given_rows) + at] = static_cast<int32_t>(row) + given.token;
      host_[static_cast<size_t>(layout.picture_rows) + at] = given.row;
      ++at;
    }
    row += chunk.count;
  }
}

void BatchBuilder::fill_tokens(const PlannedChunk& chunk, int64_t row, const Layout& layout) {
  const std::span<const TokenId> tokens = chunk.sequence->tokens();
  const std::span<const BlockRef> blocks = chunk.sequence->blocks();
  for (int64_t i = 0; i < chunk.count; ++i) {
    const int64_t position = chunk.first + i;
    const int64_t block = blocks[static_cast<size_t>(position / block_size_)].id().value();
    const auto at = static_cast<size_t>(row + i);
    host_[static_cast<size_t>(layout.tokens) + at] = tokens[static_cast<size_t>(position)].value();
    fill_position(*chunk.sequence, position, row + i, layout);
    host_[static_cast<size_t>(layout.slots) + at] =
        static_cast<int32_t>(block * block_size_ + position % block_size_);
  }
}

// On one axis a token's position is its number; on three, pictures bend it.
void BatchBuilder::fill_position(const Sequence& sequence, int64_t token, int64_t row,
                                 const Layout& layout) {
  const std::array<int32_t, 3> axes =
      axes_ == 1 ? std::array{static_cast<int32_t>(token), 0, 0} : sequence.position(token);
  for (int64_t axis = 0; axis < axes_; ++axis) {
    host_[static_cast<size_t>(layout.positions + axis * layout.position_stride + row)] =
        axes[static_cast<size_t>(axis)];
  }
}

Batch batch_without_memory(const BatchLimits& limits) {
  const auto view = [](std::initializer_list<int64_t> shape) {
    return make_view(nullptr, shape, DType::kI32);
  };
  const PagedTokens paged = {
      .slots = view({limits.tokens}),
      .attention = {.block_table = view({limits.sequences, limits.blocks_a_sequence}),
                    .query_offsets = view({limits.sequences + 1}),
                    .kv_lengths = view({limits.sequences})}};
  return {.tokens = view({limits.tokens}),
          .positions = view({limits.axes, limits.tokens}),
          .output_rows = view({limits.outputs}),
          .given = {},
          .given_rows = view({limits.given}),
          .paged = std::vector(limits.groups, paged)};
}

}  // namespace pagoda
