// The ops of the CPU: each checks its shapes, cuts the work over the team, and calls kernels.
//
// Thread rule: the thread that owns the team.
#pragma once

#include "backends/cpu/attention.h"
#include "backends/cpu/grouped_matmul.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/matmul.h"
#include "base/thread_team.h"
#include "tensor/logit_scan.h"
#include "tensor/ops.h"

namespace pagoda::cpu {

class CpuOps final : public Ops {
 public:
  CpuOps(const Kernels& kernels, ThreadTeam& team) : kernels_(kernels), team_(team) {}

  Scratch& scratch() { return scratch_; }

  void gather_rows(Tensor out, const Matrix& table, Tensor ids, int64_t first) override;
  void gather_rows(Tensor out, Tensor x, Tensor rows) override;
  void scatter_rows(Tensor out, Tensor x, Tensor rows) override;
  void clear_rows(Tensor out, Tensor rows) override;
  void matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) override;
  void add(Tensor inout, Tensor x) override;
  void rms_norm(Tensor out, Tensor x, Tensor gain, float eps) override;
  void gated_mul(Tensor out, Tensor gate_up, Activation activation) override;
  void scale(Tensor inout, float factor) override;
  void soft_cap(Tensor inout, float cap) override;
  void gelu(Tensor inout) override;
  void gate_rows(Tensor inout, Tensor gates) override;
  void rope(Tensor heads, const RotaryTable& table, RotaryPairing pairing) override;
  void copy_columns(Tensor out, Tensor x, int64_t first) override;
  void paste_columns(Tensor out, Tensor x, int64_t first) override;
  void join_columns(Tensor out, Tensor parts) override;
  void write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) override;
  void paged_attention(const Attention& call) override;
  void segment_attention(const SegmentAttention& call) override;
  void matmul_experts(const ExpertProduct& call) override;
  void combine_experts(Tensor out, Tensor y, const Routing& routing, int64_t first,
                       int64_t count) override;
  void matmul_heads(Tensor out, Tensor x, const Matrix& weight) override;
  void route(const Routing& routing, const RouterScores& scores, const RoutingRule& rule) override;
  void argmax(Tensor ids, Tensor logits) override;
  void top_k(Tensor scores, Tensor ids, Tensor logits) override;
  void add_rms_norm(Tensor out, Tensor stream, Tensor delta, Tensor gain, float eps) override;

 private:
  const NumberKernels& kernels_of(DType dtype) const;
  // out = x in another dtype, rounded once.
  void convert(Tensor out, Tensor x);
  // rows(begin, end) over [0, count), rows of `width` numbers each.
  void for_rows(int64_t count, int64_t width, FunctionRef<void(int64_t begin, int64_t end)> rows);

  const Kernels& kernels_;
  ThreadTeam& team_;
  Scratch scratch_;
};

}  // namespace pagoda::cpu
