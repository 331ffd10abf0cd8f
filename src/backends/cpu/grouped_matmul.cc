#include "backends/cpu/grouped_matmul.h"

#include <algorithm>
#include <cstring>

namespace pagoda::cpu {
namespace {

// Rows that pass over panels together: a multiple of every tile_rows.
constexpr int64_t kBlockRows = 96;
// Panels that pass over the same rows, where there are more rows than a tile.
constexpr int64_t kPanelGroup = 4;
// One thread takes no less of the weights at a time when memory is the limit.
constexpr int64_t kChunkBytes = 128 << 10;
constexpr int64_t kTasksPerThread = 4;
// Below this many multiply-adds another thread costs more than it saves.
constexpr int64_t kSmallWork = 32 << 10;
// Of packed rows: groups go through in passes of about this much, a larger one alone.
constexpr int64_t kPassBytes = int64_t{48} << 20;

using Block = GroupedScratch::Block;
using Range = GroupedScratch::Range;

// What is the same for all tasks of a call.
struct Job {
  const GroupedMatmul& call;
  const Kernels& kernels;
  const MatmulKernels& products;
  GroupedScratch& scratch;
  int64_t panel_group = 1, panel_groups = 0, rows = 0, tasks = 0;

  int64_t row_of(const Block& block, int64_t r) const {
    const RowGroup& group = call.groups[static_cast<size_t>(block.group)];
    return group.first + (block.first + r) * call.stride;
  }
  int64_t source_of(const Block& block, int64_t r) const {
    const int64_t row = row_of(block, r);
    return call.sources == nullptr ? row : call.sources[row];
  }
  const std::byte* x_row(int64_t row) const {
    return call.x.as<std::byte>() + row * call.x.dim(-1) * bytes_of(call.x.dtype);
  }
  std::byte* packed(const Block& block) const {
    return static_cast<std::byte*>(scratch.packed.data()) +
           block.packed * call.weight.depth() * products.bytes_per_value;
  }
};

void cut(Job& job) {
  job.scratch.blocks.clear();
  job.scratch.ranges.clear();
  for (const RowGroup& group : job.call.groups) job.rows += group.rows;
  const auto groups = static_cast<int64_t>(job.call.groups.size());
  if (job.rows > job.products.tile_rows * groups) job.panel_group = kPanelGroup;
  job.panel_groups = (job.call.weight.panels() + job.panel_group - 1) / job.panel_group;
  int64_t packed = 0;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t rows = job.call.groups[static_cast<size_t>(g)].rows;
    const auto first_block = static_cast<int64_t>(job.scratch.blocks.size());
    for (int64_t first = 0; first < rows; first += kBlockRows) {
      const int64_t count = std::min(kBlockRows, rows - first);
      job.scratch.blocks.push_back({g, first, count, packed});
      packed += count;
    }
    const int64_t blocks = static_cast<int64_t>(job.scratch.blocks.size()) - first_block;
    job.scratch.ranges.push_back({first_block, blocks, job.tasks});
    job.tasks += blocks * job.panel_groups;
  }
}

// The block's rows of x, [rows, in] side by side.
const std::byte* rows_together(const Job& job, const Block& block, std::vector<std::byte>& memory) {
  const int64_t in = job.call.weight.spec().in;
  const bool all = job.call.sources == nullptr && job.call.stride == 1 && job.call.x.dim(-1) == in;
  if (all || block.rows == 1) return job.x_row(job.source_of(block, 0));
  const auto bytes = static_cast<size_t>(in * bytes_of(job.call.x.dtype));
  if (memory.size() < bytes * kBlockRows) memory.resize(bytes * kBlockRows);
  for (int64_t r = 0; r < block.rows; ++r) {
    std::memcpy(memory.data() + static_cast<size_t>(r) * bytes, job.x_row(job.source_of(block, r)),
                bytes);
  }
  return memory.data();
}

void pack_block(const Job& job, const Block& block, std::vector<std::byte>& memory) {
  const std::byte* x = rows_together(job, block, memory);
  for (int64_t row = 0; row < block.rows; row += job.products.tile_rows) {
    job.products.pack_rows({.block = job.packed(block),
                            .x = x,
                            .rows = block.rows,
                            .first = row,
                            .in = job.call.weight.spec().in,
                            .depth = job.call.weight.depth()});
  }
}

// One panel of a block. sums [rows, kPanelOutputs].
void store_sums(const Job& job, const Block& block, int64_t panel, const float* sums) {
  const int64_t column = panel * kPanelOutputs;
  const int64_t width = std::min(kPanelOutputs, job.call.weight.spec().out - column);
  const Tensor& out = job.call.out;
  const NumberKernels& numbers = job.kernels.of[static_cast<size_t>(out.dtype)];
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t index = job.row_of(block, r) * out.dim(-1) + column;
    numbers.narrow(out.as<std::byte>() + index * bytes_of(out.dtype), sums + r * kPanelOutputs,
                   width);
  }
}

void run_task(const Job& job, int64_t index, float* sums) {
  const auto behind =
      std::upper_bound(job.scratch.ranges.begin(), job.scratch.ranges.end(), index,
                       [](int64_t i, const Range& range) { return i < range.first_task; });
  const Range& range = *(behind - 1);
  const int64_t task = index - range.first_task;
  const Block& block =
      job.scratch.blocks[static_cast<size_t>(range.first_block + task % range.blocks)];
  const int64_t panel = task / range.blocks * job.panel_group;
  const PackedMatrix& weight = job.call.weight;
  const int64_t panels = std::min(job.panel_group, weight.panels() - panel);
  const int64_t matrix = job.call.groups[static_cast<size_t>(block.group)].matrix;
  job.products.multiply({.out = sums,
                         .x = job.packed(block),
                         .panel = weight.panel(matrix, panel),
                         .panels = panels,
                         .panel_bytes = weight.panel_bytes(),
                         .rows = block.rows,
                         .depth = weight.depth()});
  for (int64_t p = 0; p < panels; ++p) {
    store_sums(job, block, panel + p, sums + p * block.rows * kPanelOutputs);
  }
}

// Tasks that a thread takes at a time.
int64_t grain_of(const Job& job, int threads) {
  const PackedMatrix& weight = job.call.weight;
  if (job.rows * weight.depth() * weight.spec().out < kSmallWork) return job.tasks;
  if (job.panel_group > 1) return 1;
  const int64_t by_bytes = std::max<int64_t>(1, kChunkBytes / weight.panel_bytes());
  return std::min(by_bytes, std::max<int64_t>(1, job.tasks / (kTasksPerThread * threads)));
}

void multiply_pass(const GroupedMatmul& call, const Kernels& kernels, ThreadTeam& team,
                   GroupedScratch& scratch) {
  Job job = {.call = call,
             .kernels = kernels,
             .products = kernels.of[static_cast<size_t>(call.x.dtype)].matmul,
             .scratch = scratch};
  cut(job);
  const int64_t bytes = job.rows * call.weight.depth() * job.products.bytes_per_value;
  if (scratch.packed.bytes() < bytes) scratch.packed = reserve_host_memory(bytes);
  const auto blocks = static_cast<int64_t>(scratch.blocks.size());
  const int64_t pack_grain = job.rows * call.weight.depth() < kSmallWork ? blocks : 1;
  team.for_chunks(blocks, pack_grain, [&](int64_t begin, int64_t end, int worker) {
    std::vector<std::byte>& rows = scratch.rows[static_cast<size_t>(worker)];
    for (int64_t i = begin; i < end; ++i) {
      pack_block(job, scratch.blocks[static_cast<size_t>(i)], rows);
    }
  });
  const auto chunk = [&](int64_t begin, int64_t end, int worker) {
    auto* sums = static_cast<float*>(scratch.sums[static_cast<size_t>(worker)].data());
    for (int64_t i = begin; i < end; ++i) run_task(job, i, sums);
  };
  if (job.panel_group > 1) {
    team.for_chunks(job.tasks, grain_of(job, team.size()), chunk);
  } else {
    team.for_shrinking_chunks(job.tasks, grain_of(job, team.size()), chunk);
  }
}

// How many of the first groups go through together.
size_t groups_of_pass(const GroupedMatmul& call, const MatmulKernels& products) {
  const int64_t row_bytes = call.weight.depth() * products.bytes_per_value;
  int64_t bytes = call.groups.front().rows * row_bytes;
  size_t count = 1;
  while (count < call.groups.size()) {
    bytes += call.groups[count].rows * row_bytes;
    if (bytes > kPassBytes) break;
    ++count;
  }
  return count;
}

}  // namespace

void grouped_matmul(const GroupedMatmul& call, const Kernels& kernels, ThreadTeam& team,
                    GroupedScratch& scratch) {
  scratch.rows.resize(static_cast<size_t>(team.size()));
  while (scratch.sums.size() < static_cast<size_t>(team.size())) {
    scratch.sums.push_back(reserve_host_memory(kBlockRows * kPanelGroup * kPanelOutputs * 4));
  }
  const MatmulKernels& products = kernels.of[static_cast<size_t>(call.x.dtype)].matmul;
  GroupedMatmul pass = call;
  for (std::span<const RowGroup> left = call.groups; !left.empty();) {
    pass.groups = left;
    pass.groups = left.first(groups_of_pass(pass, products));
    left = left.subspan(pass.groups.size());
    multiply_pass(pass, kernels, team, scratch);
  }
}

}  // namespace pagoda::cpu
