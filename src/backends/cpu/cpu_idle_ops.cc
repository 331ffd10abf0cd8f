#include "backends/cpu/cpu_idle_ops.h"

#include <algorithm>

#include "backends/cpu/attention.h"
#include "backends/cpu/grouped_matmul.h"
#include "backends/cpu/kv_blocks.h"
#include "backends/cpu/matmul.h"
#include "tensor/logit_scan.h"

namespace pagoda::cpu {

void CpuIdleOps::note(int64_t bytes) {
  most_ = std::max(most_, bytes);
}

void CpuIdleOps::matmul(Tensor /*out*/, Tensor x, const Matrix& weight, Tensor /*bias*/) {
  note(cpu::scratch_bytes(MatmulSize(x.dim(0), weight.spec(), kernels_, threads_)));
}

void CpuIdleOps::write_kv(KvLayer cache, Tensor k, Tensor v, Tensor /*slots*/) {
  const DType dtype = cache.shape.dtype;
  if (k.dtype != dtype) note(bytes_needed<ConvertedKv>(k, v, dtype));
}

void CpuIdleOps::paged_attention(const Attention& call) {
  note(cpu::scratch_bytes(call, threads_));
}

void CpuIdleOps::segment_attention(const SegmentAttention& call) {
  note(cpu::scratch_bytes(call, threads_));
}

void CpuIdleOps::matmul_experts(const ExpertProduct& call) {
  const MatrixSpec& spec = call.weights.spec();
  const bool are_apart = !call.rows.empty() || call.x.dim(-1) != spec.in;
  note(cpu::scratch_bytes(GroupedSize(call.out.dim(0), spec, are_apart, kernels_, threads_)));
}

void CpuIdleOps::matmul_heads(Tensor /*out*/, Tensor x, const Matrix& weight) {
  const MatrixSpec& spec = weight.spec();
  note(cpu::scratch_bytes(GroupedSize(x.dim(0) * spec.count, spec, true, kernels_, threads_)));
}

void CpuIdleOps::route(const Routing& /*routing*/, const RouterScores& scores,
                       const RoutingRule& /*rule*/) {
  note(bytes_needed<Values<float>>(threads_ * routing_scratch(scores.logits.dim(1))));
}

void CpuIdleOps::top_k(Tensor /*scores*/, Tensor ids, Tensor /*logits*/) {
  note(bytes_needed<Values<ScoredId>>(threads_ * ids.dim(1)));
}

}  // namespace pagoda::cpu
