// Logits to tokens.
//
// The order of operations is vLLM's (v1/sample/sampler.py, 0.9.2): allowed_token_ids, bad_words,
// min_tokens, logit_bias, penalties; the most likely token at temperature 0, else temperature,
// min_p, top_k, top_p, and a draw. Log-probabilities are those of the raw logits.
//
// A draw is a function of (seed, position) and of this row alone: the same in any batch, after a
// preemption, on any number of threads. Rows are dealt to a small team of the sampler's own: the
// device's belongs to the device, and asking an accelerator to sample is a matter of Ops, not of
// this class.
//
// What has been chosen is known to the sampler itself, by request: a plan names requests, and one
// that is over by the time its step is sampled gets nothing.
//
// Thread rule: Sampler on the engine thread; TokenChoice on any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/thread_team.h"
#include "engine/config.h"
#include "engine/sampling_state.h"
#include "engine/step_outputs.h"
#include "engine/step_plan.h"
#include "tensor/logit_scan.h"

namespace pagoda {

// Memory that choices borrow, for a vocabulary. One row at a time.
struct ChoiceScratch {
  explicit ChoiceScratch(int64_t vocab);
  static int64_t bytes(int64_t vocab);

  std::vector<float> row;  // [vocab]
  std::vector<ScoredId> tokens;
  std::vector<double> run_sums;
};

// What one row of logits and a request's parameters leave to choose from, before the draw.
//
// Each has a weight; its probability is the weight divided by the total.
class TokenChoice {
 public:
  // `scratch` lends memory and must live as long as this object.
  TokenChoice(std::span<const float> logits, const SamplingState& state, std::optional<TokenId> eos,
              ChoiceScratch& scratch);

  TokenId draw(uint64_t seed, uint64_t position) const;
  std::vector<double> probabilities() const;  // [vocab]

 private:
  void keep_all(std::span<const float> logits, float max, float scale, std::span<float> scratch);
  void keep_best(std::span<const float> logits, float max, float scale,
                 const SamplingParams& sampling);
  void cut_to_top_p(double top_p);

  int64_t vocab_;
  std::vector<ScoredId>& kept_;     // weights; empty: all tokens, in weights_
  std::span<const float> weights_;  // [vocab]
  std::vector<double>& run_sums_;   // of weights_
  double total_ = 0;
};

// The team that an engine's sampler gets.
int sampler_threads(const ParallelConfig& parallel);

class Sampler {
 public:
  // `threads`: the team, the caller included.
  Sampler(int64_t vocab, std::optional<TokenId> eos_token, int threads);

  // From before its first chunk is sampled, until it is over. An id that is not known is one that
  // is over already.
  void add(RequestId id, SamplingState state);
  void forget(RequestId id) { states_.erase(id); }

  // Whether every output of the plan chooses the most likely token of the logits as they are, and
  // nothing else is asked of them. Holds for the plan even where steps before it are not sampled.
  bool is_greedy(const StepPlan& plan) const;

  // `output` is in host memory. Plans in the order of their steps. Results: one a chunk.
  void sample(const StepPlan& plan, const StepOutput& output, std::vector<ChunkResult>& results);

  // Of a sampler with such a team.
  static int64_t scratch_bytes(int64_t vocab, int threads);

 private:
  // An output, and where what is read from its logits goes.
  struct Row {
    const SamplingState* state;  // null: the request is over
    TokenId* token;              // null: tells about the prompt
    TokenId next;                // of the prompt
    TokenLogprobs* logprobs;     // null: not wanted
  };
  SamplingState* find(RequestId id);
  bool is_greedy(const PlannedChunk& chunk) const;
  void sample_rows(Tensor logits);
  void take(Tensor chosen) const;
  void add_rows(const PlannedChunk& chunk, const TokenId* next_tokens, ChunkResult& result);
  void sample_row(const Row& row, std::span<const float> logits, ChoiceScratch& scratch) const;

  const int64_t vocab_;
  const std::optional<TokenId> eos_token_;
  std::unordered_map<RequestId, SamplingState> states_;
  std::vector<Row> rows_;  // of the plan that is sampled
  ThreadTeam team_;
  std::vector<ChoiceScratch> scratch_;  // one a worker
};

}  // namespace pagoda
