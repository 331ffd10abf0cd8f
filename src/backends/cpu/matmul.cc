#include "backends/cpu/matmul.h"

#include <algorithm>

#include "base/must.h"

namespace pagoda::cpu {
namespace {

// Rows that pass over a panel together: their sums (32 KiB at 256 rows) and their part of x stay in
// L2. A multiple of every tile_rows but the last block's.
constexpr int64_t kBlockRows = 192;
constexpr int64_t kTasksPerThread = 4;
// One thread takes this much of the weights at a time when memory is the limit.
constexpr int64_t kChunkBytes = 128 << 10;
// Below this many multiply-adds another thread costs more than it saves.
constexpr int64_t kSmallWork = 32 << 10;

// How a product is cut: tasks are (panel, block of rows), all blocks of a panel one after another.
struct Cut {
  int64_t block_rows, blocks, tasks, grain;
};

Cut cut(const MatmulCall& call, int64_t tile_rows, int threads) {
  const int64_t rows = call.x.dim(0), panels = call.weight.panels();
  int64_t block_rows = kBlockRows;
  const auto blocks = [&] { return (rows + block_rows - 1) / block_rows; };
  while (block_rows / 2 % tile_rows == 0 && block_rows > tile_rows &&
         blocks() * panels < kTasksPerThread * threads) {
    block_rows /= 2;
  }
  const int64_t tasks = blocks() * panels;
  const bool small = rows * call.weight.depth() * call.weight.spec().out < kSmallWork;
  const int64_t by_bytes = std::max<int64_t>(1, kChunkBytes / call.weight.panel_bytes());
  const int64_t by_threads = std::max<int64_t>(1, tasks / (kTasksPerThread * threads));
  return {block_rows, blocks(), tasks, small ? tasks : std::min(by_bytes, by_threads)};
}

int64_t tile_bytes(const MatmulCall& call, const MatmulKernels& kernels) {
  return kernels.tile_rows * call.weight.depth() * kernels.bytes_per_value;
}

void pack_rows(const MatmulCall& call, const MatmulKernels& kernels, ThreadTeam& team,
               MatmulScratch& scratch) {
  const int64_t rows = call.x.dim(0), in = call.x.dim(1);
  const int64_t tiles = (rows + kernels.tile_rows - 1) / kernels.tile_rows;
  const int64_t bytes = tile_bytes(call, kernels);
  if (scratch.rows.size() < static_cast<size_t>(tiles * bytes)) {
    scratch.rows.resize(static_cast<size_t>(tiles * bytes));
  }
  team.for_chunks(tiles, 1, [&](int64_t begin, int64_t end, int /*worker*/) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kernels.tile_rows;
      kernels.pack_rows(scratch.rows.data() + t * bytes,
                        call.x.as<std::byte>() + first * in * bytes_of(call.x.dtype),
                        std::min(kernels.tile_rows, rows - first), in, call.weight.depth());
    }
  });
}

// Rows [first, first + rows) of out = sums + bias, rounded.
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
  const int64_t rows = call.x.dim(0);
  if (rows == 0) return;
  const MatmulKernels& matmul_kernels = kernels.of[static_cast<size_t>(call.x.dtype)].matmul;
  pack_rows(call, matmul_kernels, team, scratch);
  const Cut c = cut(call, matmul_kernels.tile_rows, team.size());
  scratch.of_worker.resize(static_cast<size_t>(team.size()));
  team.for_chunks(c.tasks, c.grain, [&](int64_t begin, int64_t end, int worker) {
    std::vector<float>& sums = scratch.of_worker[static_cast<size_t>(worker)];
    if (sums.empty()) sums.resize(static_cast<size_t>(kBlockRows * kPanelOutputs));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t panel = task / c.blocks, first = task % c.blocks * c.block_rows;
      const int64_t block = std::min(c.block_rows, rows - first);
      const std::byte* x =
          scratch.rows.data() + first / matmul_kernels.tile_rows * tile_bytes(call, matmul_kernels);
      matmul_kernels.multiply({.out = sums.data(),
                               .x = x,
                               .panel = call.weight.panel(0, panel),
                               .rows = block,
                               .depth = call.weight.depth()});
      store_sums(call, kernels, sums.data(), first, block, panel);
    }
  });
}

}  // namespace pagoda::cpu
