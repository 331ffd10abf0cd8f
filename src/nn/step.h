// What a layer may use while one step runs. Handed down by reference, kept by nobody.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "base/ids.h"
#include "nn/layer_state.h"
#include "tensor/communicator.h"
#include "tensor/ops.h"
#include "tensor/workspace.h"

namespace pagoda {

// Where layers of one group find keys and values of this step's sequences.
struct PagedTokens {
  Tensor slots;  // i32 [tokens], where each token's key and value go
  AttentionIndex attention;
};

// Where layers whose state is of a fixed size find that of this step's sequences.
struct FixedSequences {
  Tensor slots;          // i32 [sequences]; empty where no layer has such a state
  Tensor query_offsets;  // i32 [sequences + 1], row range of each sequence
};

// One step's input. All tensors are on the rank's device.
struct Batch {
  Tensor tokens;       // i32 [tokens]
  Tensor positions;    // i32 [axes, tokens]; axes is 1, or 3 for M-RoPE
  Tensor output_rows;  // i32 [outputs], rows whose logits are wanted, any number a sequence
  Tensor given;        // [given, hidden], embeddings that replace those of image tokens, or empty
  Tensor given_rows;   // i32 [given]
  // [tokens, hidden], of a stage behind the first: what the one before it left. It goes on in the
  // same memory.
  Tensor stream = {};
  std::vector<PagedTokens> paged;  // one a group of layers
  FixedSequences fixed = {};
};

// A layer's keys and values, and where this step's tokens are among them.
struct PagedLayer {
  KvLayer cache;
  Tensor slots;
  AttentionIndex index;
};

// A layer's states of a fixed size, and which of them are of this step's sequences. What it leaves
// there is what the next step finds.
struct FixedLayer {
  std::span<const Tensor> parts;  // [slots, ...], as its FixedState has them
  Tensor slots;
  Tensor query_offsets;
};

// Kinds of angles in one model: those of local and of global layers (Gemma 3).
constexpr size_t kMostRotaryTables = 2;

struct Step {
  Ops& ops;
  Communicator& tensor_parallel;
  Workspace& scratch;
  const Batch& batch;
  const StateMemory& state;
  // Filled by the model before its first block, as many as it has; layers know which is theirs.
  std::array<RotaryTable, kMostRotaryTables> rotary = {};

  PagedLayer paged(LayerIndex layer) const;
  FixedLayer fixed(LayerIndex layer) const;
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
