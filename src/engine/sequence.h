// One request on its way through the engine: its tokens, how many of them are in the KV cache, and
// the blocks they are in.
//
// A step in flight counts as done, but for the tokens that it chooses: those are pending until it
// is collected.
//
// Thread rule: engine thread only.
// Invariant: tokens [0, num_computed) have their keys and values in blocks, as far as tokens to
// come see them, or get them from steps in flight; preemption gives up the blocks, never the
// tokens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/engine_client.h"
#include "engine/prefix_cache.h"
#include "engine/sequence_state.h"
#include "engine/step_counts.h"
#include "engine/step_plan.h"
#include "nn/rotary_positions.h"

namespace pagoda {

class Sequence {
 public:
  // `arrival` orders sequences of one priority: smaller first.
  Sequence(Request request, uint64_t arrival, Clock::time_point now);

  RequestId id() const { return request_.id; }
  Task task() const { return request_.task; }
  int64_t priority() const { return request_.priority; }
  uint64_t arrival() const { return arrival_; }
  const SamplingParams& sampling() const { return request_.sampling; }
  const std::string& cache_salt() const { return request_.cache_salt; }

  std::span<const TokenId> tokens() const { return tokens_; }
  std::span<const TokenId> outputs() const { return tokens().subspan(prompt_size_); }
  int64_t num_tokens() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t prompt_size() const { return static_cast<int64_t>(prompt_size_); }
  int64_t num_outputs() const { return num_tokens() - prompt_size(); }
  // Behind those, tokens that steps in flight choose.
  int64_t num_pending() const { return num_pending_; }
  int64_t num_computed() const { return num_computed_; }
  int64_t num_uncomputed() const { return num_tokens() + num_pending_ - num_computed_; }

  // In order; those of a prompt that the scheduler has let in do not overlap.
  std::span<const PromptPicture> pictures() const { return request_.pictures; }
  // Behind the last picture; 0: there is none.
  int64_t pictures_end() const { return pictures().empty() ? 0 : pictures().back().end(); }
  bool shows(const PictureHash& hash) const;
  // Those that have tokens among [first, first + count).
  std::vector<BlockPicture> pictures_in(int64_t first, int64_t count) const;
  // Rotary positions of a token on three axes, all the same where no pictures are placed. Cache and
  // hashes go by the token's own number.
  std::array<int32_t, 3> position(int64_t token) const { return positions_.at(token); }
  bool is_bent() const { return positions_.is_bent(); }
  void place(RotaryPositions positions) { positions_ = std::move(positions); }

  // A step with this chunk is launched; `last_output`: of the step, the last that the chunk has.
  void launch(const PlannedChunk& chunk, uint64_t step, int64_t last_output);
  // It is collected: of the tokens that it chooses none is pending any more.
  void collect(const PlannedChunk& chunk) { num_pending_ -= chunk.samples; }
  // The last step that has a chunk of this; 0: none yet.
  uint64_t last_step() const { return last_step_; }
  int64_t last_output() const { return last_output_; }

  void append(TokenId token) { tokens_.push_back(token); }
  // Memory for all that it may become, so that no step of it allocates.
  void reserve(int64_t tokens, int64_t blocks);
  // What the prefix cache has of its first `blocks`: their tokens need not be computed.
  void start_with(SequenceState found, int64_t blocks, int64_t block_size);
  // From now on nothing is computed.
  SequenceState take_state();

  // Log-probabilities of prompt tokens 1, 2, ...
  bool wants_prompt_logprobs() const { return sampling().prompt_logprobs.has_value(); }
  bool lacks_prompt_logprobs() const {
    return wants_prompt_logprobs() && num_prompt_logprobs_ + 1 < prompt_size();
  }
  // As far as steps in flight tell them: the position whose logits are the next to be wanted.
  int64_t num_prompt_logprobs() const { return num_prompt_logprobs_; }
  void add_prompt_logprobs(std::vector<TokenLogprobs> logprobs);
  std::vector<TokenLogprobs> take_prompt_logprobs() { return std::move(prompt_logprobs_); }

  SequenceState state;                  // its blocks
  std::vector<BlockHash> block_hashes;  // of full blocks, as far as they are known
  int64_t num_hashed_in_cache = 0;      // how many of those the prefix cache was told
  uint64_t begun_behind = 0;            // the last step launched when it last began to run
  int64_t cached_tokens = 0;            // of the prompt, when it was first scheduled
  bool was_scheduled = false;
  RequestTimes times;

 private:
  Request request_;  // the prompt has moved to tokens_
  uint64_t arrival_;
  size_t prompt_size_;
  std::vector<TokenId> tokens_;
  RotaryPositions positions_;
  int64_t num_pending_ = 0;
  int64_t num_computed_ = 0;
  uint64_t last_step_ = 0;
  int64_t last_output_ = 0;
  int64_t num_prompt_logprobs_ = 0;
  std::vector<TokenLogprobs> prompt_logprobs_;
};

}  // namespace pagoda
