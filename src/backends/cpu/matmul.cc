#include "backends/cpu/matmul.h"

#include <algorithm>

namespace pagoda::cpu {
namespace {

// Rows that pass over panels together: their part of x and their sums stay in L2. A multiple of
// every tile_rows, also when halved once.
constexpr int64_t kBlockRows = 192;
// Rows that are packed at a time: bounds the scratch (48 MiB at a depth of 12288 in float32), and
// the weights are read again too seldom to matter.
constexpr int64_t kPassRows = 5 * kBlockRows;
// Panels that pass over the same rows: x may come from memory, so it should not come too often.
constexpr int64_t kPanelGroup = 4;
constexpr int64_t kTasksPerThread = 4;
// One thread takes no less of the weights at a time when memory is the limit.
constexpr int64_t kChunkBytes = 128 << 10;
// Below this many multiply-adds another thread costs more than it saves.
constexpr int64_t kSmallWork = 32 << 10;

// How a product is cut: tasks are (group of panels, block of rows), all blocks of a group one after
// another.
struct Cut {
  int64_t block_rows, blocks, group, tasks, grain;
};

int64_t ceiling(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit;
}

Cut cut(const MatmulCall& call, int64_t tile_rows, int threads) {
  const int64_t rows = call.x.dim(0), panels = call.weight.panels();
  const int64_t wanted = kTasksPerThread * threads;
  int64_t block_rows = kBlockRows, group = rows <= tile_rows ? 1 : kPanelGroup;
  const auto tasks = [&] { return ceiling(rows, block_rows) * ceiling(panels, group); };
  while (group > 1 && tasks() < wanted) group /= 2;
  if (kBlockRows / 2 % tile_rows == 0 && tasks() < wanted) block_rows /= 2;
  Cut cut = {block_rows, ceiling(rows, block_rows), group, tasks(), 1};
  if (rows * call.weight.depth() * call.weight.spec().out < kSmallWork) {
    cut.grain = cut.tasks;
  } else if (rows <= tile_rows) {
    const int64_t by_bytes = std::max<int64_t>(1, kChunkBytes / call.weight.panel_bytes());
    cut.grain = std::min(by_bytes, std::max<int64_t>(1, cut.tasks / wanted));
  }
  return cut;
}

// Sums of a block of rows and a group of panels.
constexpr int64_t kSumsOfWorker = kBlockRows * kPanelGroup * kPanelOutputs;

struct MatmulMemory {
  MatmulMemory(Carver& carver, const MatmulSize& size)
      : rows(carver.take<std::byte>(size.rows * size.packed_row_bytes)),
        sums(carver.take<float>(size.threads * kSumsOfWorker)) {}

  std::byte* rows;  // of x, packed
  float* sums;      // [threads, kSumsOfWorker]
};

// Where the block of rows that starts at `first` is packed.
std::byte* packed_block(const MatmulCall& call, const MatmulKernels& kernels,
                        const MatmulMemory& memory, int64_t first) {
  return memory.rows + first * call.weight.depth() * kernels.bytes_per_value;
}

void pack_rows(const MatmulCall& call, const MatmulKernels& kernels, const Cut& cut,
               ThreadTeam& team, const MatmulMemory& memory) {
  const int64_t rows = call.x.dim(0), in = call.x.dim(1);
  team.for_chunks(ceiling(rows, kernels.tile_rows), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t row = tile * kernels.tile_rows, first = row / cut.block_rows * cut.block_rows;
      kernels.pack_rows({.block = packed_block(call, kernels, memory, first),
                         .x = call.x.as<std::byte>() + first * in * bytes_of(call.x.dtype),
                         .rows = std::min(cut.block_rows, rows - first),
                         .first = row - first,
                         .in = in,
                         .depth = call.weight.depth()});
    }
  });
}

// One task: a block of rows and some neighboring panels.
struct Task {
  int64_t first, rows, panel, panels;
};

Task task_at(const MatmulCall& call, const Cut& cut, int64_t index) {
  const int64_t panel = index / cut.blocks * cut.group;
  const int64_t first = index % cut.blocks * cut.block_rows;
  return {.first = first,
          .rows = std::min(cut.block_rows, call.x.dim(0) - first),
          .panel = panel,
          .panels = std::min(cut.group, call.weight.panels() - panel)};
}

// out = sums + bias, rounded, for one panel.  sums [rows, kPanelOutputs].
void store_sums(const MatmulCall& call, const Kernels& kernels, const Task& task, int64_t panel,
                float* sums) {
  const int64_t column = panel * kPanelOutputs;
  const int64_t width = std::min(kPanelOutputs, call.out.dim(1) - column);
  const NumberKernels& f32 = kernels.of[static_cast<size_t>(DType::kF32)];
  const NumberKernels& out = kernels.of[static_cast<size_t>(call.out.dtype)];
  for (int64_t r = 0; r < task.rows; ++r) {
    float* row = sums + r * kPanelOutputs;
    if (!call.bias.empty()) f32.add(row, call.bias.as<float>() + column, width);
    const int64_t index = (task.first + r) * call.out.dim(1) + column;
    out.narrow(call.out.as<std::byte>() + index * bytes_of(call.out.dtype), row, width);
  }
}

void run_task(const MatmulCall& call, const Kernels& kernels, const Task& task,
              const MatmulMemory& memory, float* sums) {
  const MatmulKernels& products = products_of(kernels, call.weight.layout());
  products.multiply({.out = sums,
                     .x = packed_block(call, products, memory, task.first),
                     .panel = call.weight.panel(0, task.panel),
                     .panels = task.panels,
                     .panel_bytes = call.weight.panel_bytes(),
                     .rows = task.rows,
                     .depth = call.weight.depth()});
  for (int64_t p = 0; p < task.panels; ++p) {
    store_sums(call, kernels, task, task.panel + p, sums + p * task.rows * kPanelOutputs);
  }
}

// At most kPassRows rows.
void multiply_pass(const MatmulCall& call, const Kernels& kernels, ThreadTeam& team,
                   const MatmulMemory& memory) {
  const MatmulKernels& products = products_of(kernels, call.weight.layout());
  const Cut c = cut(call, products.tile_rows, team.size());
  pack_rows(call, products, c, team, memory);
  const auto chunk = [&](int64_t begin, int64_t end, int worker) {
    float* sums = memory.sums + worker * kSumsOfWorker;
    for (int64_t i = begin; i < end; ++i) {
      run_task(call, kernels, task_at(call, c, i), memory, sums);
    }
  };
  if (call.x.dim(0) <= products.tile_rows) {
    team.for_shrinking_chunks(c.tasks, c.grain, chunk);
  } else {
    team.for_chunks(c.tasks, c.grain, chunk);
  }
}

}  // namespace

MatmulSize::MatmulSize(int64_t all_rows, const MatrixSpec& weight, const Kernels& kernels,
                       int thread_count)
    : rows(std::min(kPassRows, all_rows)),
      packed_row_bytes(
          PackedMatrix::depth_of(weight) *
          products_of(kernels, choose_layout(weight.format, weight.dtype)).bytes_per_value),
      threads(thread_count) {}

int64_t scratch_bytes(const MatmulSize& size) {
  return bytes_needed<MatmulMemory>(size);
}

void matmul(const MatmulCall& call, const Kernels& kernels, ThreadTeam& team, Scratch& scratch) {
  if (call.out.empty()) return;
  const int64_t rows = call.x.dim(0);
  const auto memory =
      scratch.carve<MatmulMemory>(MatmulSize(rows, call.weight.spec(), kernels, team.size()));
  for (int64_t first = 0; first < rows; first += kPassRows) {
    const int64_t count = std::min(kPassRows, rows - first);
    multiply_pass({.out = rows_of(call.out, first, count),
                   .x = rows_of(call.x, first, count),
                   .weight = call.weight,
                   .bias = call.bias},
                  kernels, team, memory);
  }
}

}  // namespace pagoda::cpu
