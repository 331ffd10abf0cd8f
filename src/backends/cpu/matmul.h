// Matrix product with a packed matrix: how the work is cut. The arithmetic is in matmul_kernels.h.
//
// Thread rule: the thread that owns the team.
#pragma once

#include <vector>

#include "backends/cpu/kernels.h"
#include "backends/cpu/packed_matrix.h"
#include "base/thread_team.h"
#include "tensor/buffer.h"

namespace pagoda::cpu {

// Kept between calls so that steps allocate nothing once warm.
struct MatmulScratch {
  Buffer rows;                    // x, packed
  std::vector<Buffer> of_worker;  // sums of a block of rows and a group of panels
};

// As Ops::matmul.
struct MatmulCall {
  Tensor out, x;
  const PackedMatrix& weight;
  Tensor bias;
};

void matmul(const MatmulCall& call, const Kernels& kernels, ThreadTeam& team,
            MatmulScratch& scratch);

}  // namespace pagoda::cpu
