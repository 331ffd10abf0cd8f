// Product of rows with one of several packed matrices of one shape: experts, or heads. How the work
// is cut; the arithmetic is that of matmul_kernels.h.
//
// Only matrices that have rows are read. Every group of rows is packed in blocks, then tasks are
// (matrix, some neighboring panels, block), all blocks of a panel one after another. Where packed
// rows would take much memory, a pass does as many groups as fit, and a group that does not fit at
// all is cut.
//
// Thread rule: the thread that owns the team.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/packed_matrix.h"
#include "backends/cpu/scratch.h"
#include "base/thread_team.h"

namespace pagoda::cpu {

struct GroupedMatmul {
  Tensor out;  // [any, >= weight.out], of x's dtype
  Tensor x;    // [any, >= weight.in]
  const PackedMatrix& weight;
  // Matrix m is for rows offsets[m] to offsets[m + 1] of out; null: for rows m, m + count,
  // m + 2 count, ..., as heads lie.
  const int32_t* offsets = nullptr;
  const int32_t* sources = nullptr;  // the row of x for each row of out; null: the same
};

void grouped_matmul(const GroupedMatmul& call, const Kernels& kernels, ThreadTeam& team,
                    Scratch& scratch);

// What a call takes of the scratch, however its rows are dealt over the matrices. More rows never
// take less.
struct GroupedSize {
  // `rows` of all matrices. `are_apart`: those of a matrix do not lie side by side in x.
  GroupedSize(int64_t rows, const MatrixSpec& weight, bool are_apart, const Kernels& kernels,
              int threads);

  int64_t packed_row_bytes;  // of each row
  int64_t most_rows;         // of a pass, and so of a group
  int64_t pass_rows;         // those of them that there are
  int64_t groups, blocks;    // at most
  int64_t apart_row_bytes;   // of x, or 0
  int64_t threads;
};
int64_t scratch_bytes(const GroupedSize& size);

}  // namespace pagoda::cpu
