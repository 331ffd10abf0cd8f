// What every rank must run in one step, as plain data.
//
// Inputs are named by (sequence, position), not by value: the tokens themselves are read when the
// batch is built.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/sequence.h"
#include "models/image_encoder.h"

namespace pagoda {

// Stages of the encoder that a picture goes through, those before are done. Encodings are run one
// after the other, before the chunks: one that finishes a picture gives it to chunks of its step.
struct PlannedEncoding {
  PictureRef picture;
  StageRange stages;
  std::vector<int32_t> rows = {};  // in the arena, of each of its tokens; empty: not finished yet
};

// A token whose embedding is a row of the arena.
struct GivenToken {
  int32_t token;  // of the chunk
  int32_t row;
};

// Consecutive tokens of one sequence. Its blocks have room for them.
struct PlannedChunk {
  Sequence* sequence;
  int64_t first;                       // position of the first token
  int64_t count;                       // tokens
  int64_t outputs;                     // of the last so many positions the logits are wanted
  bool samples = false;                // the last of them choose the sequence's next token
  std::vector<GivenToken> given = {};  // its tokens that stand for pictures
};

struct StepPlan {
  std::vector<PlannedChunk> chunks = {};
  std::vector<PlannedEncoding> encodings = {};

  bool empty() const { return chunks.empty() && encodings.empty(); }
  int64_t num_tokens() const;
  int64_t num_given() const;
  int64_t num_outputs() const;
};

// What the logits of a chunk said.
struct ChunkResult {
  std::optional<TokenId> token;                // where the chunk samples
  std::optional<TokenLogprobs> logprobs;       // of that token, where asked for
  std::vector<TokenLogprobs> prompt_logprobs;  // of the prompt tokens behind the other outputs
};

}  // namespace pagoda
