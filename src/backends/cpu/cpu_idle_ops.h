// The ops of the CPU without computing: notes the scratch that they would carve.
//
// Thread rule: any thread, one at a time.
#pragma once

#include "backends/cpu/kernels.h"
#include "tensor/idle_ops.h"

namespace pagoda::cpu {

class CpuIdleOps final : public IdleOps {
 public:
  // Of a device with a team of so many threads.
  CpuIdleOps(const Kernels& kernels, int threads) : kernels_(kernels), threads_(threads) {}

  int64_t scratch_bytes() const override { return most_; }

  void matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) override;
  void write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) override;
  void paged_attention(const Attention& call) override;
  void segment_attention(const SegmentAttention& call) override;
  void matmul_experts(const ExpertProduct& call) override;
  void matmul_heads(Tensor out, Tensor x, const Matrix& weight) override;
  void route(const Routing& routing, const RouterScores& scores, const RoutingRule& rule) override;
  void top_k(Tensor scores, Tensor ids, Tensor logits) override;

 private:
  void note(int64_t bytes);

  const Kernels& kernels_;
  const int threads_;
  int64_t most_ = 0;
};

}  // namespace pagoda::cpu
