// What every rank must run in one step, as plain data.
//
// Inputs are named by (sequence, position), not by value: the tokens themselves are read when the
// batch is built.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/sequence.h"

namespace pagoda {

// Consecutive tokens of one sequence. Its blocks have room for them.
struct PlannedChunk {
  Sequence* sequence;
  int64_t first;         // position of the first token
  int64_t count;         // tokens
  int64_t outputs;       // of the last so many positions the logits are wanted
  bool samples = false;  // the last of them choose the sequence's next token
};

struct StepPlan {
  std::vector<PlannedChunk> chunks;

  bool empty() const { return chunks.empty(); }
  int64_t num_tokens() const;
  int64_t num_outputs() const;
};

// What the logits of a chunk said.
struct ChunkResult {
  std::optional<TokenId> token;                // where the chunk samples
  std::optional<TokenLogprobs> logprobs;       // of that token, where asked for
  std::vector<TokenLogprobs> prompt_logprobs;  // of the prompt tokens behind the other outputs
};

}  // namespace pagoda
