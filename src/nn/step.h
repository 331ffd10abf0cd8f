// What a layer may use while one step runs. Handed down by reference, kept by nobody.
#pragma once

#include <vector>

#include "tensor/communicator.h"
#include "tensor/ops.h"
#include "tensor/workspace.h"

namespace pagoda {

// One step's input. All tensors are on the rank's device.
struct Batch {
  Tensor tokens;       // i32 [tokens]
  Tensor positions;    // i32 [axes, tokens]; axes is 1, or 3 for M-RoPE
  Tensor slots;        // i32 [tokens], where in the cache each token's key and value go
  Tensor output_rows;  // i32 [outputs], rows whose logits are wanted, any number a sequence
  Tensor given;        // [given, hidden], embeddings that replace those of image tokens, or empty
  Tensor given_rows;   // i32 [given]
  AttentionIndex attention;
};

struct Step {
  Ops& ops;
  Communicator& tensor_parallel;
  Workspace& scratch;
  const Batch& batch;
  const std::vector<KvLayer>& kv;  // one a layer
  RotaryTable rotary = {};         // filled by the model before its first block
};

// The residual stream, with the last sub-layer's output not yet added: the next norm adds and
// normalizes in one kernel.
//
// One piece of memory goes round the whole step: the norm writes where `pending` was, the sub-layer
// writes its output over the input that the norm gave it, and that is `pending` again.
struct Residual {
  Tensor stream;   // [tokens, hidden]
  Tensor pending;  // [tokens, hidden], or empty
  void add(Tensor delta) { pending = delta; }
};

// What is made in the workspace during its life is given back at its end.
class ScratchScope {
 public:
  explicit ScratchScope(Workspace& scratch) : scratch_(scratch), mark_(scratch.mark()) {}
  ~ScratchScope() { scratch_.release(mark_); }
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;

 private:
  Workspace& scratch_;
  const int64_t mark_;
};

}  // namespace pagoda
