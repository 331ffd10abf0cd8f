#include "backends/cpu/grouped_matmul.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/must.h"

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
// Of packed rows: what goes through together.
constexpr int64_t kPassBytes = int64_t{48} << 20;
// Sums of a block of rows and a group of panels.
constexpr int64_t kSumsOfWorker = kBlockRows * kPanelGroup * kPanelOutputs;

// Rows first, first + stride, ... of `out`, `rows` of them, at least one.
struct RowGroup {
  int64_t matrix, first, rows;
};

struct Block {
  int64_t group, first, rows;  // rows [first, first + rows) of the group
  int64_t packed;              // where it is packed, in rows
};

// The blocks and tasks of a group.
struct Range {
  int64_t first_block, blocks, first_task;
};

struct GroupedMemory {
  GroupedMemory(Carver& carver, const GroupedSize& size)
      : groups(carver.take<RowGroup>(size.groups)),
        blocks(carver.take<Block>(size.blocks)),
        ranges(carver.take<Range>(size.groups)),
        packed(carver.take<std::byte>(size.pass_rows * size.packed_row_bytes)),
        apart_bytes(kBlockRows * size.apart_row_bytes),
        apart(carver.take<std::byte>(size.threads * apart_bytes)),
        sums(carver.take<float>(size.threads * kSumsOfWorker)) {}

  RowGroup* groups;
  Block* blocks;  // of a pass
  Range* ranges;  // one a group of the pass
  std::byte* packed;
  int64_t apart_bytes;
  std::byte* apart;  // [threads, apart_bytes]: a block of rows that do not lie together
  float* sums;       // [threads, kSumsOfWorker]
};

// What is the same for all tasks of a pass.
struct Job {
  const GroupedMatmul& call;
  const Kernels& kernels;
  const MatmulKernels& products;
  const GroupedMemory& memory;
  std::span<const RowGroup> groups;
  int64_t stride;
  int64_t panel_group = 1, panel_groups = 0, rows = 0, blocks = 0, tasks = 0;

  int64_t row_of(const Block& block, int64_t r) const {
    const RowGroup& group = groups[static_cast<size_t>(block.group)];
    return group.first + (block.first + r) * stride;
  }
  int64_t source_of(const Block& block, int64_t r) const {
    const int64_t row = row_of(block, r);
    return call.sources == nullptr ? row : call.sources[row];
  }
  const std::byte* x_row(int64_t row) const {
    return call.x.as<std::byte>() + row * call.x.dim(-1) * bytes_of(call.x.dtype);
  }
  std::byte* packed(const Block& block) const {
    return memory.packed + block.packed * call.weight.depth() * products.bytes_per_value;
  }
};

// How many there are.
size_t list_groups(const GroupedMatmul& call, const GroupedSize& size, RowGroup* groups) {
  const int64_t count = call.weight.spec().count, stride = call.offsets == nullptr ? count : 1;
  size_t listed = 0;
  for (int64_t m = 0; m < count; ++m) {
    const int64_t first = call.offsets == nullptr ? m : call.offsets[m];
    const int64_t rows =
        call.offsets == nullptr ? call.x.dim(0) : call.offsets[m + 1] - call.offsets[m];
    for (int64_t row = 0; row < rows; row += size.most_rows) {
      MUST(listed < static_cast<size_t>(size.groups));
      groups[listed++] = {m, first + row * stride, std::min(size.most_rows, rows - row)};
    }
  }
  return listed;
}

void cut(Job& job) {
  for (const RowGroup& group : job.groups) job.rows += group.rows;
  const auto groups = static_cast<int64_t>(job.groups.size());
  if (job.rows > job.products.tile_rows * groups) job.panel_group = kPanelGroup;
  job.panel_groups = (job.call.weight.panels() + job.panel_group - 1) / job.panel_group;
  int64_t packed = 0;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t rows = job.groups[static_cast<size_t>(g)].rows, first_block = job.blocks;
    for (int64_t first = 0; first < rows; first += kBlockRows) {
      const int64_t count = std::min(kBlockRows, rows - first);
      job.memory.blocks[job.blocks++] = {g, first, count, packed};
      packed += count;
    }
    const int64_t blocks = job.blocks - first_block;
    job.memory.ranges[g] = {first_block, blocks, job.tasks};
    job.tasks += blocks * job.panel_groups;
  }
}

bool are_apart(const GroupedMatmul& call) {
  const bool side_by_side = call.sources == nullptr && call.offsets != nullptr;
  return !side_by_side || call.x.dim(-1) != call.weight.spec().in;
}

// The block's rows of x, [rows, in] side by side.
const std::byte* rows_together(const Job& job, const Block& block, int worker) {
  if (!are_apart(job.call) || block.rows == 1) return job.x_row(job.source_of(block, 0));
  std::byte* rows = job.memory.apart + worker * job.memory.apart_bytes;
  const int64_t bytes = job.call.weight.spec().in * bytes_of(job.call.x.dtype);
  for (int64_t r = 0; r < block.rows; ++r) {
    std::memcpy(rows + r * bytes, job.x_row(job.source_of(block, r)), static_cast<size_t>(bytes));
  }
  return rows;
}

void pack_block(const Job& job, const Block& block, int worker) {
  const std::byte* x = rows_together(job, block, worker);
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
  const Range* behind =
      std::upper_bound(job.memory.ranges, job.memory.ranges + job.groups.size(), index,
                       [](int64_t i, const Range& range) { return i < range.first_task; });
  const Range& range = *(behind - 1);
  const int64_t task = index - range.first_task;
  const Block& block = job.memory.blocks[range.first_block + task % range.blocks];
  const int64_t panel = task / range.blocks * job.panel_group;
  const PackedMatrix& weight = job.call.weight;
  const int64_t panels = std::min(job.panel_group, weight.panels() - panel);
  const int64_t matrix = job.groups[static_cast<size_t>(block.group)].matrix;
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

void multiply_pass(Job& job, ThreadTeam& team) {
  cut(job);
  const int64_t pack_grain = job.rows * job.call.weight.depth() < kSmallWork ? job.blocks : 1;
  team.for_chunks(job.blocks, pack_grain, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) pack_block(job, job.memory.blocks[i], worker);
  });
  const auto chunk = [&](int64_t begin, int64_t end, int worker) {
    float* sums = job.memory.sums + worker * kSumsOfWorker;
    for (int64_t i = begin; i < end; ++i) run_task(job, i, sums);
  };
  if (job.panel_group > 1) {
    team.for_chunks(job.tasks, grain_of(job, team.size()), chunk);
  } else {
    team.for_shrinking_chunks(job.tasks, grain_of(job, team.size()), chunk);
  }
}

// How many of the first groups go through together.
size_t groups_of_pass(std::span<const RowGroup> groups, const GroupedSize& size) {
  int64_t rows = groups.front().rows;
  size_t count = 1;
  while (count < groups.size() && rows + groups[count].rows <= size.most_rows) {
    rows += groups[count++].rows;
  }
  return count;
}

}  // namespace

GroupedSize::GroupedSize(int64_t rows, const MatrixSpec& weight, bool apart, const Kernels& kernels,
                         int thread_count)
    : packed_row_bytes(
          PackedMatrix::depth_of(weight) *
          products_of(kernels, choose_layout(weight.format, weight.dtype)).bytes_per_value),
      most_rows(std::max(kBlockRows, kPassBytes / packed_row_bytes / kBlockRows * kBlockRows)),
      pass_rows(std::min(rows, most_rows)),
      groups(std::min(rows, weight.count) + rows / most_rows),
      blocks(groups + rows / kBlockRows),
      apart_row_bytes(apart ? weight.in * bytes_of(weight.dtype) : 0),
      threads(thread_count) {}

int64_t scratch_bytes(const GroupedSize& size) {
  return bytes_needed<GroupedMemory>(size);
}

void grouped_matmul(const GroupedMatmul& call, const Kernels& kernels, ThreadTeam& team,
                    Scratch& scratch) {
  const MatrixSpec& spec = call.weight.spec();
  const int64_t rows = call.offsets == nullptr ? call.x.dim(0) * spec.count
                                               : call.offsets[spec.count] - call.offsets[0];
  if (rows == 0) return;
  const GroupedSize size(rows, spec, are_apart(call), kernels, team.size());
  const auto memory = scratch.carve<GroupedMemory>(size);
  std::span<const RowGroup> left(memory.groups, list_groups(call, size, memory.groups));
  while (!left.empty()) {
    Job job = {.call = call,
               .kernels = kernels,
               .products = products_of(kernels, call.weight.layout()),
               .memory = memory,
               .groups = left.first(groups_of_pass(left, size)),
               .stride = call.offsets == nullptr ? spec.count : 1};
    left = left.subspan(job.groups.size());
    multiply_pass(job, team);
  }
}

}  // namespace pagoda::cpu
