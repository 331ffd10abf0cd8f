// What every rank must run in one step, as plain data: it can be copied, kept while the next one is
// made, or sent to another host, and says the same when the requests that it is about are gone.
//
// It is numbers, but for the pixels of pictures to be encoded: those are shared, not copied.
// Whatever belongs to tokens, outputs or blocks lies in one array a plan, chunk after chunk, so
// that a plan that is filled again allocates nothing.
//
// Thread rule: none; a value.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/ids.h"
#include "engine/engine_client.h"
#include "models/stage_range.h"
#include "vision/picture.h"

namespace pagoda {

// Stages of the encoder that a picture goes through, those before are done. Encodings are run one
// after the other, before the chunks: one that finishes a picture gives it to chunks of its step.
struct PlannedEncoding {
  PictureRef picture;
  StageRange stages;
  std::vector<int32_t> rows = {};  // in the arena, of each of its tokens; empty: not finished yet
};

// Consecutive tokens of one request.
struct PlannedChunk {
  RequestId request = {};
  int64_t first;        // position of the first token
  int64_t count;        // tokens
  int64_t outputs = 0;  // of the last so many tokens the logits are wanted
  // The last so many outputs choose tokens of the answer; those before tell about the prompt.
  int64_t samples = 0;
  int64_t hidden = 0;    // of the last so many tokens the hidden states are wanted
  bool is_bent = false;  // its tokens have entries in StepPlan::positions

  int64_t end() const { return first + count; }
  int64_t prompt_outputs() const { return outputs - samples; }
};

// A token whose embedding is a row of the arena.
struct GivenToken {
  int32_t token;  // of the step
  int32_t row;
};

// A token that the step before chooses, by its last output for the request.
struct SampledToken {
  int32_t token;   // of the step
  int32_t output;  // of the step before
};

// Rotary positions on three axes.
using BentPosition = std::array<int32_t, 3>;

// The blocks in which a group of layers keeps keys and values: of each chunk's request, as many as
// hold its tokens up to the end of the chunk. Those that no token of the chunk sees may be any.
struct PlannedTable {
  std::vector<BlockId> blocks = {};
};

struct StepPlan {
  std::vector<PlannedChunk> chunks = {};
  std::vector<TokenId> tokens = {};          // of all chunks; 0 where it is not known yet
  std::vector<SampledToken> sampled = {};    // those that are not
  std::vector<BentPosition> positions = {};  // of tokens whose place is bent by pictures
  std::vector<GivenToken> given = {};        // tokens that stand for pictures, in order
  // Behind each output that tells about the prompt: the token whose log-probability is wanted.
  std::vector<TokenId> next_tokens = {};
  std::vector<PlannedTable> tables = {};  // one a group of layers
  // Of each chunk's request, where layers keep a state of fixed size; else empty. A chunk from the
  // first token on finds zeros there, whatever its slot held.
  std::vector<int32_t> slots = {};
  std::vector<PlannedEncoding> encodings = {};
  // Every output chooses the most likely token, which the device can do by itself.
  bool is_greedy = false;

  bool empty() const { return chunks.empty() && encodings.empty(); }
  int64_t num_tokens() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_given() const { return static_cast<int64_t>(given.size()); }
  int64_t num_outputs() const;
  int64_t num_hidden() const;
  // Empty again, with its memory.
  void clear();
};
static_assert(std::is_trivially_copyable_v<PlannedChunk> &&
              std::is_trivially_copyable_v<GivenToken> &&
              std::is_trivially_copyable_v<SampledToken> &&
              std::is_trivially_copyable_v<BentPosition>);

// What came of a chunk; nothing where its request is over.
struct ChunkResult {
  std::vector<TokenId> tokens = {};                 // chosen, in order, where the chunk samples
  std::vector<TokenLogprobs> logprobs = {};         // one a token, where asked for
  std::vector<TokenLogprobs> prompt_logprobs = {};  // of the prompt tokens behind other outputs
  std::vector<float> hidden = {};                   // [chunk.hidden, hidden size]
};

}  // namespace pagoda
