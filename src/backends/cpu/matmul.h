// Matrix product with a packed matrix: how the work is cut. The arithmetic is in matmul_kernels.h.
//
// Thread rule: the thread that owns the team.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/packed_matrix.h"
#include "backends/cpu/scratch.h"
#include "base/thread_team.h"

namespace pagoda::cpu {

// As Ops::matmul.
struct MatmulCall {
  Tensor out, x;
  const PackedMatrix& weight;
  Tensor bias;
};

void matmul(const MatmulCall& call, const Kernels& kernels, ThreadTeam& team, Scratch& scratch);

// What a call takes of the scratch. More rows never take less.
struct MatmulSize {
  MatmulSize(int64_t rows, const MatrixSpec& weight, const Kernels& kernels, int threads);

  int64_t rows;              // packed at a time
  int64_t packed_row_bytes;  // of each
  int64_t threads;
};
int64_t scratch_bytes(const MatmulSize& size);

}  // namespace pagoda::cpu
