#include "backends/cpu/scratch.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "backends/cpu/attention.h"
#include "backends/cpu/cpu_idle_ops.h"
#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/grouped_matmul.h"
#include "backends/cpu/kv_blocks.h"
#include "backends/cpu/matmul.h"
#include "backends/cpu/test_support.h"

namespace pagoda::cpu {
namespace {

// As other ops leave it: here with NaN in all formats.
Scratch used_scratch(int64_t bytes) {
  Scratch scratch;
  scratch.reserve(bytes);
  const int64_t all = scratch.bytes() / 64 * 64;
  std::fill_n(scratch.carve<Values<std::byte>>(all).data, all, std::byte{0xFF});
  return scratch;
}

struct Fixture {
  const Family& family = *families_here().back();
  const Kernels& kernels = family.kernels();
  ThreadTeam team = ThreadTeam(3);
  CpuIdleOps idle = CpuIdleOps(kernels, 3);

  std::unique_ptr<PackedMatrix> pack(const MatrixSpec& spec) {
    const Array weights = random_array({spec.count, spec.out, spec.in}, spec.dtype, 1);
    return std::make_unique<PackedMatrix>(spec, ArrayReader(weights), team);
  }
};

MatrixSpec spec_of(int64_t count, DType dtype) {
  return {.out = 70, .in = 37, .count = count, .format = {encoding_of(dtype)}, .dtype = dtype};
}

Tensor shape_only(std::initializer_list<int64_t> shape, DType dtype) {
  return make_view(nullptr, shape, dtype);
}

// Rows of each of four experts, of 300 that there may be.
const std::vector<std::vector<int32_t>> all_deals = {
    {0, 75, 150, 225, 300}, {0, 300, 300, 300, 300}, {0, 0, 0, 299, 300}, {0, 0, 1, 1, 1}};

// Tokens of this step and of all, of each of up to four sequences: 130 tokens, 1,100 keys at most.
struct Ragged {
  std::vector<int32_t> tokens, keys;
};
const std::vector<Ragged> all_batches = {{{127, 1, 1, 1}, {127, 1100, 3, 700}},
                                         {{1}, {1100}},
                                         {{1, 1, 1, 1}, {1100, 1100, 1100, 1100}},
                                         {{33, 32, 33, 32}, {33, 300, 1100, 32}},
                                         {{130}, {130}}};
constexpr int64_t kBlock = 16, kMostBlocks = 69;

struct Heads {
  int64_t query, kv, dim, window;
};

}  // namespace

TEST_CASE("a product takes no more scratch than was measured, and does not mind what is in it") {
  Fixture f;
  for (const DType dtype : kFloats) {
    const MatrixSpec spec = spec_of(1, dtype);
    const auto matrix = f.pack(spec);
    f.idle.matmul({}, shape_only({1300, spec.in}, dtype), *matrix, {});
    Scratch scratch = used_scratch(f.idle.scratch_bytes());
    const int64_t reserved = scratch.bytes();
    for (const int64_t rows : {1, 17, 960, 1300}) {
      const Array x = random_array({rows, spec.in}, dtype, 2);
      Array out({rows, spec.out}, dtype), clean({rows, spec.out}, dtype);
      Scratch fresh;
      matmul({out, x, *matrix, {}}, f.kernels, f.team, scratch);
      matmul({clean, x, *matrix, {}}, f.kernels, f.team, fresh);
      CHECK(scratch.bytes() == reserved);
      CHECK(same_bits(out, clean));
    }
  }
}

TEST_CASE("experts take no more scratch than was measured, however tokens are dealt over them") {
  Fixture f;
  for (const DType dtype : kFloats) {
    const MatrixSpec spec = spec_of(4, dtype);
    const auto matrix = f.pack(spec);
    const Array x = random_array({300, spec.in}, dtype, 2);
    std::vector<int32_t> sources(300);
    for (size_t i = 0; i < sources.size(); ++i) sources[i] = static_cast<int32_t>(i * 7 % 300);
    const Array rows = integers(sources);
    f.idle.matmul_experts({.out = shape_only({300, spec.out}, dtype),
                           .x = shape_only({300, spec.in}, dtype),
                           .weights = *matrix,
                           .offsets = shape_only({5}, DType::kI32),
                           .rows = shape_only({300}, DType::kI32)});
    Scratch scratch = used_scratch(f.idle.scratch_bytes());
    const int64_t reserved = scratch.bytes();
    for (const std::vector<int32_t>& offsets : all_deals) {
      Array out({300, spec.out}, dtype), clean({300, spec.out}, dtype);
      Scratch fresh;
      const GroupedMatmul call = {.out = out,
                                  .x = x,
                                  .weight = *matrix,
                                  .offsets = offsets.data(),
                                  .sources = rows.view().as<int32_t>()};
      GroupedMatmul again = call;
      again.out = clean;
      grouped_matmul(call, f.kernels, f.team, scratch);
      grouped_matmul(again, f.kernels, f.team, fresh);
      CHECK(scratch.bytes() == reserved);
      CHECK(same_bits(out, clean));
    }
  }
}

TEST_CASE("an expert whose rows fit into no pass goes through in several, to the same bits") {
  Fixture f;
  // 12 MiB of packed rows are 96 of them: all that a pass of 48 MiB holds are 384.
  const MatrixSpec spec = {
      .out = 33, .in = 32768, .count = 2, .format = {Encoding::kF32}, .dtype = DType::kF32};
  const auto matrix = f.pack(spec);
  const int64_t rows = 500;
  Array x({rows, spec.in}, DType::kF32);
  for (int64_t i = 0; i < rows * spec.in; ++i) x.set(i, static_cast<float>(i * 7 % 32 - 16));
  Array out({rows, spec.out}, DType::kF32), last({1, spec.out}, DType::kF32);
  const std::vector<int32_t> all = {0, 1, static_cast<int32_t>(rows)}, one = {0, 0, 1};
  Scratch scratch;
  grouped_matmul({.out = out, .x = x, .weight = *matrix, .offsets = all.data()}, f.kernels, f.team,
                 scratch);
  CHECK(scratch.bytes() < int64_t{52} << 20);
  grouped_matmul(
      {.out = last, .x = rows_of(x, rows - 1, 1), .weight = *matrix, .offsets = one.data()},
      f.kernels, f.team, scratch);
  CHECK(same_rows(last, out, rows - 1));
}

TEST_CASE("attention takes no more scratch than was measured, however ragged the batch") {
  Fixture f;
  for (const Heads heads : {Heads{6, 2, 24, 0}, Heads{6, 2, 24, 300}, Heads{64, 1, 40, 0}}) {
    // One KV head of 40: latent attention, whose keys are turned for each tile.
    const KvShape shape = {heads.kv, heads.dim, heads.kv == 1 ? 0 : heads.dim, DType::kBF16};
    const int64_t block_bytes = KvBlockLayout(shape, kBlock).block_bytes;
    Array blocks({4 * kMostBlocks, block_bytes}, DType::kU8);
    const KvLayer cache = {blocks, shape, kBlock};
    const auto call = [&](Tensor out, Tensor q, const AttentionIndex& index) {
      return Attention{
          .out = out, .q = q, .cache = cache, .index = index, .scale = 1, .window = heads.window};
    };
    const Tensor largest = shape_only({130, heads.query, heads.dim}, DType::kBF16);
    f.idle.paged_attention(call(largest, largest,
                                {shape_only({4, kMostBlocks}, DType::kI32),
                                 shape_only({5}, DType::kI32), shape_only({4}, DType::kI32)}));
    Scratch scratch = used_scratch(f.idle.scratch_bytes());
    const int64_t reserved = scratch.bytes();
    for (const Ragged& batch : all_batches) {
      std::vector<int32_t> offsets = {0}, table;
      for (const int32_t n : batch.tokens) offsets.push_back(offsets.back() + n);
      const auto sequences = static_cast<int64_t>(batch.tokens.size());
      for (int32_t i = 0; i < sequences * kMostBlocks; ++i) table.push_back(i);
      const Array tables = integers(table), ends = integers(offsets), keys = integers(batch.keys);
      const AttentionIndex index = {reshaped(tables, {sequences, kMostBlocks}), ends, keys};
      const int64_t tokens = offsets.back();
      const Array q = random_array({tokens, heads.query, heads.dim}, DType::kBF16, 3);
      Array out({tokens, heads.query, heads.dim}, DType::kBF16);
      Array clean({tokens, heads.query, heads.dim}, DType::kBF16);
      Scratch fresh;
      paged_attention(call(out, q, index), f.kernels, f.team, scratch);
      paged_attention(call(clean, q, index), f.kernels, f.team, fresh);
      CHECK(scratch.bytes() == reserved);
      CHECK(same_bits(out, clean));
    }
  }
}

TEST_CASE("keys and values that change their dtype take no more scratch than was measured") {
  Fixture f;
  const KvShape shape = {.kv_heads = 2, .key_dim = 24, .value_dim = 16, .dtype = DType::kBF16};
  Array blocks({9, KvBlockLayout(shape, kBlock).block_bytes}, DType::kU8);
  const KvLayer cache = {blocks, shape, kBlock};
  const auto keys = [](int64_t tokens) { return shape_only({tokens, 2, 24}, DType::kF32); };
  const auto values = [](int64_t tokens) { return shape_only({tokens, 2, 16}, DType::kF32); };
  f.idle.write_kv(cache, keys(130), values(130), shape_only({130}, DType::kI32));
  CpuOps ops(f.kernels, f.team);
  ops.scratch().reserve(f.idle.scratch_bytes());
  const int64_t reserved = ops.scratch().bytes();
  std::vector<int32_t> slots;
  for (int32_t tokens = 1; tokens <= 130; ++tokens) {
    slots.push_back(tokens);
    const Array k = random_array({tokens, 2, 24}, DType::kF32, 1);
    const Array v = random_array({tokens, 2, 16}, DType::kF32, 2);
    ops.write_kv(cache, k, v, integers(slots));
    CHECK(ops.scratch().bytes() == reserved);
  }
}

TEST_CASE("attention of pictures takes no more scratch than was measured, in whatever segments") {
  Fixture f;
  constexpr int64_t kRows = 600, kHeads = 3, kDim = 40;
  const Array k = random_array({kRows, kHeads, kDim}, DType::kF32, 1);
  const Array v = random_array({kRows, kHeads, kDim}, DType::kF32, 2);
  const Array q = random_array({kRows, kHeads, kDim}, DType::kF32, 3);
  const Tensor largest = shape_only({kRows, kHeads, kDim}, DType::kF32);
  f.idle.segment_attention({.out = largest,
                            .q = largest,
                            .k = largest,
                            .v = largest,
                            .offsets = shape_only({6}, DType::kI32),
                            .scale = 1});
  Scratch scratch = used_scratch(f.idle.scratch_bytes());
  const int64_t reserved = scratch.bytes();
  for (const std::vector<int32_t>& offsets : std::vector<std::vector<int32_t>>{
           {0, 600}, {0, 1, 2, 3, 4, 600}, {0, 120, 240, 360, 480, 600}, {0, 17, 31}, {0, 1}}) {
    const int64_t rows = offsets.back();
    const Array ends = integers(offsets);
    Array out({rows, kHeads, kDim}, DType::kF32), clean({rows, kHeads, kDim}, DType::kF32);
    SegmentAttention call = {.out = out,
                             .q = rows_of(q, 0, rows),
                             .k = rows_of(k, 0, rows),
                             .v = rows_of(v, 0, rows),
                             .offsets = ends,
                             .scale = 0.2f};
    Scratch fresh;
    segment_attention(call, f.kernels, f.team, scratch);
    call.out = clean;
    segment_attention(call, f.kernels, f.team, fresh);
    CHECK(scratch.bytes() == reserved);
    CHECK(same_bits(out, clean));
  }
}

}  // namespace pagoda::cpu
