// Every op as its formula in tensor/ops.h says it, one number after another.
#pragma once

#include "tensor/ops.h"

namespace pagoda::ref {

class RefOps final : public Ops {
 public:
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
};

}  // namespace pagoda::ref
