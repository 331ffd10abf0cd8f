// The ops of the reference, queued: tensors are looked up when an op is asked for, and its formula
// runs when the stream gets there. Routing and sampling are left to the host.
//
// Thread rule: as Ops.
#pragma once

#include <functional>
#include <utility>

#include "backends/ref/apart_memory.h"
#include "backends/ref/apart_stream.h"
#include "backends/ref/ref_ops.h"
#include "tensor/host_assisted_ops.h"

namespace pagoda::ref {

class ApartOps final : public HostAssistedOps {
 public:
  ApartOps(Device& device, ApartMemory& memory, ApartStream& stream)
      : HostAssistedOps(device, memory.allocate_host(kHostScratchBytes)),
        memory_(memory),
        stream_(stream) {}

  // The only one there is, so that whoever counts on another is found out.
  static constexpr int64_t kBlockSize = 8;

  void gather_rows(Tensor out, const Matrix& table, Tensor ids, int64_t first) override {
    using Op = void (RefOps::*)(Tensor, const Matrix&, Tensor, int64_t);
    queue<Op>(&RefOps::gather_rows, out, table, ids, first);
  }
  void gather_rows(Tensor out, Tensor x, Tensor rows) override {
    using Op = void (RefOps::*)(Tensor, Tensor, Tensor);
    queue<Op>(&RefOps::gather_rows, out, x, rows);
  }
  void scatter_rows(Tensor out, Tensor x, Tensor rows) override {
    queue(&RefOps::scatter_rows, out, x, rows);
  }
  void clear_rows(Tensor out, Tensor rows) override { queue(&RefOps::clear_rows, out, rows); }
  void matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) override {
    queue(&RefOps::matmul, out, x, weight, bias);
  }
  void add(Tensor inout, Tensor x) override { queue(&RefOps::add, inout, x); }
  void rms_norm(Tensor out, Tensor x, Tensor gain, float eps) override {
    queue(&RefOps::rms_norm, out, x, gain, eps);
  }
  void gated_mul(Tensor out, Tensor gate_up, Activation activation) override {
    queue(&RefOps::gated_mul, out, gate_up, activation);
  }
  void scale(Tensor inout, float factor) override { queue(&RefOps::scale, inout, factor); }
  void soft_cap(Tensor inout, float cap) override { queue(&RefOps::soft_cap, inout, cap); }
  void gelu(Tensor inout) override { queue(&RefOps::gelu, inout); }
  void gate_rows(Tensor inout, Tensor gates) override { queue(&RefOps::gate_rows, inout, gates); }
  void rope(Tensor heads, const RotaryTable& table, RotaryPairing pairing) override {
    queue(&RefOps::rope, heads, table, pairing);
  }
  void copy_columns(Tensor out, Tensor x, int64_t first) override {
    queue(&RefOps::copy_columns, out, x, first);
  }
  void paste_columns(Tensor out, Tensor x, int64_t first) override {
    queue(&RefOps::paste_columns, out, x, first);
  }
  void join_columns(Tensor out, Tensor parts) override { queue(&RefOps::join_columns, out, parts); }
  void write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) override {
    queue(&RefOps::write_kv, cache, k, v, slots);
  }
  void paged_attention(const Attention& call) override { queue(&RefOps::paged_attention, call); }
  void segment_attention(const SegmentAttention& call) override {
    queue(&RefOps::segment_attention, call);
  }
  void matmul_experts(const ExpertProduct& call) override { queue(&RefOps::matmul_experts, call); }
  void combine_experts(Tensor out, Tensor y, const Routing& routing, int64_t first,
                       int64_t count) override {
    queue(&RefOps::combine_experts, out, y, routing, first, count);
  }
  void matmul_heads(Tensor out, Tensor x, const Matrix& weight) override {
    queue(&RefOps::matmul_heads, out, x, weight);
  }

 private:
  // What the stream gets in place of an argument.
  Tensor at(Tensor t) const { return memory_.reached(t); }
  RotaryTable at(const RotaryTable& t) const { return {at(t.cos), at(t.sin)}; }
  KvLayer at(KvLayer cache) const;
  Attention at(Attention call) const;
  SegmentAttention at(SegmentAttention call) const;
  ExpertProduct at(ExpertProduct call) const;
  Routing at(Routing routing) const;
  static std::reference_wrapper<const Matrix> at(const Matrix& matrix) { return matrix; }
  static int64_t at(int64_t number) { return number; }
  static float at(float number) { return number; }
  static Activation at(Activation choice) { return choice; }
  static RotaryPairing at(RotaryPairing choice) { return choice; }

  template <class Op, class... Arguments>
  void queue(Op op, const Arguments&... arguments) {
    stream_.push([this, op, ... reached = at(arguments)] { std::invoke(op, ops_, reached...); });
  }

  ApartMemory& memory_;
  ApartStream& stream_;
  RefOps ops_;
};

}  // namespace pagoda::ref
