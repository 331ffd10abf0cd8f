// Every op as its formula in tensor/ops.h says it, one number after another.
#pragma once

#include "tensor/ops.h"

namespace pagoda::ref {

class RefOps final : public Ops {
 public:
  void gather_rows(Tensor out, const Matrix& table, Tensor ids, int64_t first) override;
  void gather_rows(Tensor out, Tensor x, Tensor rows) override;
  void scatter_rows(Tensor out, Tensor x, Tensor rows) override;
  void matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) override;
  void add(Tensor inout, Tensor x) override;
  void rms_norm(Tensor out, Tensor x, Tensor gain, float eps) override;
  void silu_mul(Tensor out, Tensor gate_up) override;
  void rope(Tensor heads, const RotaryTable& table, RotaryPairing pairing) override;
  void copy_columns(Tensor out, Tensor x, int64_t first) override;
  void join_columns(Tensor out, Tensor parts) override;
  void write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) override;
  void paged_attention(const Attention& call) override;
};

}  // namespace pagoda::ref
