#include "engine/batch_builder.h"

#include <doctest/doctest.h>

#include <vector>

#include "backends/backends.h"
#include "engine/plan_writer.h"

namespace pagoda {
namespace {

std::vector<int32_t> numbers(Device& device, Tensor t) {
  std::vector<int32_t> host(static_cast<size_t>(t.count()));
  device.copy_out(host.data(), t);
  return host;
}

Sequence sequence_of(std::vector<TokenId> prompt) {
  return Sequence({.id = RequestId(1), .prompt = std::move(prompt)}, 0, {});
}

void add_block(Sequence& sequence, BlockPool& pool) {
  sequence.state.tables.resize(1);
  sequence.state.tables[0].add(*pool.take());
}

using Numbers = std::vector<int32_t>;

// A chunk of a sequence that has blocks for it.
struct Chosen {
  const Sequence& sequence;
  PlannedChunk chunk;
};
StepPlan plan_of(const std::vector<Chosen>& chunks, int64_t block_size) {
  StepPlan plan;
  for (const Chosen& chosen : chunks) {
    write_chunk(plan, chosen.chunk, chosen.sequence, block_size);
  }
  return plan;
}

TEST_CASE("a batch names every token's place in the cache and what each sequence sees") {
  const auto device = open_device("ref", {.threads = 1});
  BlockPool pool(8);
  Sequence prompt = sequence_of({TokenId(10), TokenId(11), TokenId(12), TokenId(13), TokenId(14)});
  Sequence decode = sequence_of({TokenId(20), TokenId(21), TokenId(22)});
  add_block(decode, pool);  // block 0
  for (int i = 0; i < 3; ++i) add_block(prompt, pool);
  add_block(decode, pool);  // block 4
  const StepPlan plan = plan_of({{decode, {.first = 2, .count = 1, .outputs = 1, .samples = 1}},
                                 {prompt, {.first = 1, .count = 3, .outputs = 2}}},
                                2);
  BatchBuilder builder(*device,
                       {.tokens = 16, .sequences = 4, .outputs = 8, .blocks_a_sequence = 8}, 2);
  const Batch batch = builder.build(plan).batch;
  CHECK(numbers(*device, batch.tokens) == Numbers{22, 11, 12, 13});
  CHECK(numbers(*device, batch.positions) == Numbers{2, 1, 2, 3});
  CHECK(numbers(*device, batch.paged[0].slots) == Numbers{4 * 2, 1 * 2 + 1, 2 * 2, 2 * 2 + 1});
  CHECK(numbers(*device, batch.output_rows) == Numbers{0, 2, 3});
  CHECK(numbers(*device, batch.paged[0].attention.query_offsets) == Numbers{0, 1, 4});
  CHECK(numbers(*device, batch.paged[0].attention.kv_lengths) == Numbers{3, 4});
  CHECK(batch.paged[0].attention.block_table.dim(1) == 2);
  CHECK(numbers(*device, batch.paged[0].attention.block_table) == Numbers{0, 4, 1, 2});
}

TEST_CASE("tokens that only the device knows are named by the outputs that choose them") {
  const auto device = open_device("ref", {.threads = 1});
  BatchBuilder builder(
      *device,
      {.tokens = 8, .sequences = 2, .outputs = 2, .blocks_a_sequence = 1, .hidden = 2, .chosen = 2},
      4);
  StepPlan plan;
  plan.chunks = {{.first = 0, .count = 2, .hidden = 1}, {.first = 2, .count = 1, .hidden = 1}};
  plan.tokens = {TokenId(5), TokenId(6), TokenId(0)};
  plan.sampled = {{.token = 2, .output = 1}};
  plan.tables = {{.blocks = {BlockId(0), BlockId(1)}}};
  const StepInput on_device = builder.build(plan);
  CHECK(numbers(*device, on_device.batch.tokens) == Numbers{5, 6, 0});
  CHECK(numbers(*device, on_device.chosen_tokens) == Numbers{2});
  CHECK(numbers(*device, on_device.chosen_outputs) == Numbers{1});
  CHECK(numbers(*device, on_device.hidden_rows) == Numbers{1, 2});
  const std::vector<TokenId> sampled = {TokenId(8), TokenId(9)};
  const StepInput on_host = builder.build(plan, sampled);
  CHECK(numbers(*device, on_host.batch.tokens) == Numbers{5, 6, 9});
  CHECK(on_host.chosen_tokens.empty());
}

TEST_CASE("a copy of a plan makes the same batch when its sequences are gone") {
  const auto device = open_device("ref", {.threads = 1});
  const BatchLimits limits = {
      .tokens = 8, .sequences = 2, .outputs = 2, .blocks_a_sequence = 2, .axes = 3};
  BatchBuilder builder(*device, limits, 8);
  StepPlan copy;
  std::vector<Numbers> expected;
  const auto batch_of = [&](const StepPlan& plan) {
    const Batch batch = builder.build(plan).batch;
    return std::vector{numbers(*device, batch.tokens), numbers(*device, batch.positions),
                       numbers(*device, batch.paged[0].slots),
                       numbers(*device, batch.paged[0].attention.block_table)};
  };
  {
    BlockPool pool(3);
    Sequence bent = sequence_of(std::vector<TokenId>(9, TokenId(9)));
    RotaryPositions positions;
    positions.add_picture(1, 2, 3);
    bent.place(std::move(positions));
    for (int i = 0; i < 2; ++i) add_block(bent, pool);
    StepPlan plan = plan_of({{bent, {.first = 3, .count = 6, .outputs = 1, .samples = 1}}}, 8);
    expected = batch_of(plan);
    copy = plan;
    plan.clear();
  }
  CHECK(batch_of(copy) == expected);
}

TEST_CASE("a step without outputs has no output rows") {
  const auto device = open_device("ref", {.threads = 1});
  BlockPool pool(2);
  Sequence prompt = sequence_of({TokenId(1), TokenId(2), TokenId(3)});
  add_block(prompt, pool);
  const StepPlan plan = plan_of({{prompt, {.first = 0, .count = 2}}}, 4);
  BatchBuilder builder(*device, {.tokens = 4, .sequences = 1, .outputs = 1, .blocks_a_sequence = 2},
                       4);
  const Batch batch = builder.build(plan).batch;
  CHECK(batch.output_rows.empty());
  CHECK(batch.tokens.dim(0) == 2);
}

TEST_CASE("tokens of pictures name their rows, in the batch and in the arena") {
  const auto device = open_device("ref", {.threads = 1});
  BlockPool pool(4);
  Sequence text = sequence_of({TokenId(1), TokenId(2)});
  Sequence shows = sequence_of({TokenId(9), TokenId(9), TokenId(3), TokenId(9)});
  add_block(text, pool);
  add_block(shows, pool);
  StepPlan plan = plan_of({{text, {.first = 0, .count = 2}},
                           {shows, {.first = 1, .count = 3, .outputs = 1, .samples = 1}}},
                          4);
  plan.given = {{.token = 2, .row = 17}, {.token = 4, .row = 4}};
  BatchBuilder builder(
      *device, {.tokens = 8, .sequences = 2, .outputs = 2, .blocks_a_sequence = 1, .given = 8}, 4);
  const StepInput input = builder.build(plan);
  CHECK(numbers(*device, input.batch.given_rows) == Numbers{2, 4});
  CHECK(numbers(*device, input.picture_rows) == Numbers{17, 4});
  CHECK(numbers(*device, input.batch.tokens) == Numbers{1, 2, 9, 3, 9});
}

TEST_CASE("a batch names the slot of every sequence, and beside it those that begin") {
  const auto device = open_device("ref", {.threads = 1});
  BlockPool blocks(4), slots(3);
  Sequence early = sequence_of({TokenId(1), TokenId(2), TokenId(3)});
  Sequence begins = sequence_of({TokenId(4), TokenId(5)});
  begins.state.slot = slots.take();  // 0
  early.state.slot = slots.take();   // 1
  for (Sequence* sequence : {&early, &begins}) add_block(*sequence, blocks);
  const StepPlan plan =
      plan_of({{early, {.first = 2, .count = 1}}, {begins, {.first = 0, .count = 2}}}, 4);
  BatchBuilder builder(
      *device,
      {.tokens = 8, .sequences = 3, .outputs = 1, .blocks_a_sequence = 1, .slots = 3, .begun = 3},
      4);
  const StepInput input = builder.build(plan);
  CHECK(numbers(*device, input.batch.fixed.slots) == Numbers{1, 0});
  CHECK(numbers(*device, input.batch.fixed.query_offsets) == Numbers{0, 1, 3});
  CHECK(numbers(*device, input.begun_slots) == Numbers{0});
}

TEST_CASE("on three axes positions go as pictures say, places in the cache by token") {
  const auto device = open_device("ref", {.threads = 1});
  BlockPool pool(4);
  Sequence text = sequence_of({TokenId(1), TokenId(2), TokenId(3)});
  Sequence shows = sequence_of(std::vector<TokenId>(9, TokenId(9)));
  RotaryPositions positions;
  positions.add_picture(1, 2, 3);
  shows.place(std::move(positions));
  add_block(text, pool);
  for (int i = 0; i < 2; ++i) add_block(shows, pool);
  const StepPlan plan =
      plan_of({{text, {.first = 2, .count = 1}}, {shows, {.first = 3, .count = 6}}}, 8);
  BatchBuilder builder(
      *device, {.tokens = 8, .sequences = 2, .outputs = 2, .blocks_a_sequence = 2, .axes = 3}, 8);
  const Batch batch = builder.build(plan).batch;
  CHECK(batch.positions.dim(0) == 3);
  CHECK(numbers(*device, batch.positions) == Numbers{2, 1, 1, 1, 1, 4, 5,    // time
                                                     2, 1, 2, 2, 2, 4, 5,    // row
                                                     2, 3, 1, 2, 3, 4, 5});  // column
  CHECK(numbers(*device, batch.paged[0].slots) == Numbers{2, 11, 12, 13, 14, 15, 16});
}

}  // namespace
}  // namespace pagoda
