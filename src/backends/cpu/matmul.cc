#include "backends/cpu/matmul.h"

#include <algorithm>

namespace pagoda::cpu {
namespace {

// Rows that pass over panels together: their part of x and their sums stay in L2. A multiple of
// every tile_rows, also when halved once.
constexpr int64_t kBlockRows = 192;
// Panels that pass over the same rows: x may come from memory, so it should not come too often.
constexpr int64_t kPanelGroup = 4;
constexpr int64_t kTasksPerThread = 4;
// One thread takes this much of the weights at a time when memory is the limit.
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

// Where the block of rows that starts at `first` is packed.
std::byte* packed_block(const MatmulCall& call, const MatmulKernels& kernels,
                        MatmulScratch& scratch, int64_t first) {
  return scratch.rows.data() + first * call.weight.depth() * kernels.bytes_per_value;
}

void pack_rows(const MatmulCall& call, const MatmulKernels& kernels, const Cut& cut,
               ThreadTeam& team, MatmulScratch& scratch) {
  const int64_t rows = call.x.dim(0), in = call.x.dim(1);
  const auto bytes = static_cast<size_t>(rows * call.weight.depth() * kernels.bytes_per_value);
  if (scratch.rows.size() < bytes) scratch.rows.resize(bytes);
  team.for_chunks(ceiling(rows, kernels.tile_rows), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t row = tile * kernels.tile_rows, first = row / cut.block_rows * cut.block_rows;
      kernels.pack_rows({.block = packed_block(call, kernels, scratch, first),
                         .x = call.x.as<std::byte>() + first * in * bytes_of(call.x.dtype),
                         .rows = std::min(cut.block_rows, rows - first),
                         .first = row - first,
                         .in = in,
                         .depth = call.weight.depth()});
    }
  });
}

// Rows [first, first + rows) of out = sums + bias, rounded, for one panel.
void store_sums(const MatmulCall& call, const Kernels& kernels, float* sums, int64_t first,
                int64_t rows, int64_t panel) {
  const int64_t column = panel * kPanelOutputs;
  const int64_t width = std::min(kPanelOutputs, call.out.dim(1) - column);
  const NumberKernels& f32 = kernels.of[static_cast<size_t>(DType::kF32)];
  const NumberKernels& out = kernels.of[static_cast<size_t>(call.out.dtype)];
  for (int64_t r = 0; r < rows; ++r) {
    float* row = sums + r * kPanelOutputs;
    if (!call.bias.empty()) f32.add(row, call.bias.as<float>() + column, width);
    const int64_t index = (first + r) * call.out.dim(1) + column;
    out.narrow(call.out.as<std::byte>() + index * bytes_of(call.out.dtype), row, width);
  }
}

}  // namespace

void matmul(const MatmulCall& call, const Kernels& kernels, ThreadTeam& team,
            MatmulScratch& scratch) {
  const int64_t rows = call.x.dim(0), panels = call.weight.panels();
  if (rows == 0 || panels == 0) return;
  const MatmulKernels& products = kernels.of[static_cast<size_t>(call.x.dtype)].matmul;
  const Cut c = cut(call, products.tile_rows, team.size());
  pack_rows(call, products, c, team, scratch);
  scratch.of_worker.resize(static_cast<size_t>(team.size()));
  team.for_chunks(c.tasks, c.grain, [&](int64_t begin, int64_t end, int worker) {
    std::vector<float>& sums = scratch.of_worker[static_cast<size_t>(worker)];
    if (sums.empty()) sums.resize(kBlockRows * kPanelGroup * kPanelOutputs);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t panel = task / c.blocks * c.group, first = task % c.blocks * c.block_rows;
      const int64_t count = std::min(c.group, panels - panel);
      const int64_t block = std::min(c.block_rows, rows - first);
      products.multiply({.out = sums.data(),
                         .x = packed_block(call, products, scratch, first),
                         .panel = call.weight.panel(0, panel),
                         .panels = count,
                         .panel_bytes = call.weight.panel_bytes(),
                         .rows = block,
                         .depth = call.weight.depth()});
      for (int64_t p = 0; p < count; ++p) {
        float* panel_sums = sums.data() + p * block * kPanelOutputs;
        store_sums(call, kernels, panel_sums, first, block, panel + p);
      }
    }
  });
}

}  // namespace pagoda::cpu
