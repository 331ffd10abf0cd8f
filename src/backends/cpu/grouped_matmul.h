// Product of rows with one of several packed matrices of one shape: experts, or heads. How the work
// is cut; the arithmetic is that of matmul_kernels.h.
//
// Only matrices that have rows are read. Every group of rows is packed in blocks, then tasks are
// (matrix, some neighboring panels, block), all blocks of a panel one after another. Where packed
// rows would take much memory, a pass does as many groups as fit.
//
// Thread rule: the thread that owns the team.
#pragma once

#include <span>
#include <vector>

#include "backends/cpu/kernels.h"
#include "backends/cpu/packed_matrix.h"
#include "base/thread_team.h"
#include "tensor/buffer.h"

namespace pagoda::cpu {

// Rows first, first + stride, ... of `out`, `rows` of them.
struct RowGroup {
  int64_t matrix, first, rows;
};

struct GroupedMatmul {
  Tensor out;  // [any, >= weight.out], of x's dtype
  Tensor x;    // [any, >= weight.in]
  const PackedMatrix& weight;
  std::span<const RowGroup> groups;  // all with rows
  int64_t stride = 1;
  const int32_t* sources = nullptr;  // the row of x for each row of out; null: the same
};

// Kept between calls so that steps allocate nothing once warm.
struct GroupedScratch {
  struct Block {
    int64_t group, first, rows;  // rows [first, first + rows) of the group
    int64_t packed;              // where it is packed, in rows
  };
  struct Range {
    int64_t first_block, blocks, first_task;
  };
  std::vector<Block> blocks;
  std::vector<Range> ranges;  // one a group
  Buffer packed;
  std::vector<std::vector<std::byte>> rows;  // one a worker: a block that does not lie together
  std::vector<Buffer> sums;                  // one a worker
};

void grouped_matmul(const GroupedMatmul& call, const Kernels& kernels, ThreadTeam& team,
                    GroupedScratch& scratch);

}  // namespace pagoda::cpu
