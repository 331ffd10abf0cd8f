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
struct Residual {
  Tensor stream;   // [tokens, hidden]
  Tensor pending;  // [tokens, hidden], or empty
  void add(Tensor delta) { pending = delta; }
};

}  // namespace pagoda
