// Ops and a Communicator that do nothing: a model runs over them, without memory, to measure what
// its largest step takes.
//
// Thread rule: any thread.
#pragma once

#include "tensor/communicator.h"
#include "tensor/ops.h"

namespace pagoda {

// Of a device whose ops need memory of their own, a subclass notes it (Device::idle_ops).
class IdleOps : public Ops {
 public:
  // Of the neediest call so far.
  virtual int64_t scratch_bytes() const { return 0; }

  void gather_rows(Tensor, const Matrix&, Tensor, int64_t) override {}
  void gather_rows(Tensor, Tensor, Tensor) override {}
  void scatter_rows(Tensor, Tensor, Tensor) override {}
  void clear_rows(Tensor, Tensor) override {}
  void matmul(Tensor, Tensor, const Matrix&, Tensor) override {}
  void add(Tensor, Tensor) override {}
  void rms_norm(Tensor, Tensor, Tensor, float) override {}
  void gated_mul(Tensor, Tensor, Activation) override {}
  void scale(Tensor, float) override {}
  void soft_cap(Tensor, float) override {}
  void gelu(Tensor) override {}
  void rope(Tensor, const RotaryTable&, RotaryPairing) override {}
  void gate_rows(Tensor, Tensor) override {}
  void copy_columns(Tensor, Tensor, int64_t) override {}
  void paste_columns(Tensor, Tensor, int64_t) override {}
  void join_columns(Tensor, Tensor) override {}
  void write_kv(KvLayer, Tensor, Tensor, Tensor) override {}
  void paged_attention(const Attention&) override {}
  void segment_attention(const SegmentAttention&) override {}
  void matmul_experts(const ExpertProduct&) override {}
  void combine_experts(Tensor, Tensor, const Routing&, int64_t, int64_t) override {}
  void matmul_heads(Tensor, Tensor, const Matrix&) override {}
  void route(const Routing&, const RouterScores&, const RoutingRule&) override {}
  void argmax(Tensor, Tensor) override {}
  void top_k(Tensor, Tensor, Tensor) override {}
};

class IdleCommunicator final : public Communicator {
 public:
  IdleCommunicator(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void all_reduce_sum(Tensor) override {}
  void all_gather(Tensor, Tensor) override {}
  void all_to_all(Tensor, Tensor) override {}

 private:
  const int rank_, size_;
};

}  // namespace pagoda
