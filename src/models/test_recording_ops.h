// For tests: ops of a device that also keep what the residual stream was at every norm.
#pragma once

#include <vector>

#include "tensor/device.h"

namespace pagoda {

class RecordingOps final : public Ops {
 public:
  explicit RecordingOps(Device& device) : device_(device), ops_(device.ops()) {}

  // One a call of add_rms_norm: the stream after the sum, and the norm of it. f32 activations.
  std::vector<std::vector<float>> streams, norms;

  void gather_rows(Tensor out, const Matrix& table, Tensor ids, int64_t first) override {
    ops_.gather_rows(out, table, ids, first);
  }
  void gather_rows(Tensor out, Tensor x, Tensor rows) override { ops_.gather_rows(out, x, rows); }
  void scatter_rows(Tensor out, Tensor x, Tensor rows) override { ops_.scatter_rows(out, x, rows); }
  void clear_rows(Tensor out, Tensor rows) override { ops_.clear_rows(out, rows); }
  void matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) override {
    ops_.matmul(out, x, weight, bias);
  }
  void add(Tensor inout, Tensor x) override { ops_.add(inout, x); }
  void rms_norm(Tensor out, Tensor x, Tensor gain, float eps) override {
    ops_.rms_norm(out, x, gain, eps);
  }
  void gated_mul(Tensor out, Tensor gate_up, Activation activation) override {
    ops_.gated_mul(out, gate_up, activation);
  }
  void scale(Tensor inout, float factor) override { ops_.scale(inout, factor); }
  void soft_cap(Tensor inout, float cap) override { ops_.soft_cap(inout, cap); }
  void gelu(Tensor inout) override { ops_.gelu(inout); }
  void rope(Tensor heads, const RotaryTable& table, RotaryPairing pairing) override {
    ops_.rope(heads, table, pairing);
  }
  void copy_columns(Tensor out, Tensor x, int64_t first) override {
    ops_.copy_columns(out, x, first);
  }
  void paste_columns(Tensor out, Tensor x, int64_t first) override {
    ops_.paste_columns(out, x, first);
  }
  void join_columns(Tensor out, Tensor parts) override { ops_.join_columns(out, parts); }
  void write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) override {
    ops_.write_kv(cache, k, v, slots);
  }
  void gate_rows(Tensor inout, Tensor gates) override { ops_.gate_rows(inout, gates); }
  void matmul_experts(const ExpertProduct& call) override { ops_.matmul_experts(call); }
  void combine_experts(Tensor out, Tensor y, const Routing& routing, int64_t first,
                       int64_t count) override {
    ops_.combine_experts(out, y, routing, first, count);
  }
  void matmul_heads(Tensor out, Tensor x, const Matrix& weight) override {
    ops_.matmul_heads(out, x, weight);
  }
  void route(const Routing& routing, const RouterScores& scores, const RoutingRule& rule) override {
    ops_.route(routing, scores, rule);
  }
  void argmax(Tensor ids, Tensor logits) override { ops_.argmax(ids, logits); }
  void top_k(Tensor scores, Tensor ids, Tensor logits) override { ops_.top_k(scores, ids, logits); }
  void paged_attention(const Attention& call) override { ops_.paged_attention(call); }
  void segment_attention(const SegmentAttention& call) override { ops_.segment_attention(call); }
  void add_rms_norm(Tensor out, Tensor stream, Tensor delta, Tensor gain, float eps) override {
    ops_.add_rms_norm(out, stream, delta, gain, eps);
    streams.push_back(host(stream));
    norms.push_back(host(out));
  }

 private:
  std::vector<float> host(Tensor t) const {
    std::vector<float> values(static_cast<size_t>(t.count()));
    device_.synchronize();
    device_.copy_out(values.data(), t);
    return values;
  }

  Device& device_;
  Ops& ops_;
};

}  // namespace pagoda
