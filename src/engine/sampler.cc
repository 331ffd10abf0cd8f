#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/must.h"
#include "base/rng.h"
#include "base/usable_cores.h"

namespace pagoda {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();
constexpr float kLowestTemperature = 0.01f;  // lower ones overflow; as vLLM
constexpr float kLowestLogprob = -9999.0f;   // as vLLM writes minus infinity into JSON
constexpr float kMostBias = 100.0f;
// Waking a thread costs some 10 us, in which one pass goes over this many tokens.
constexpr int64_t kTokensAChunk = 65536;

bool takes_most_likely(const SamplingParams& sampling) {
  return sampling.temperature == 0.0f;
}

bool forbids_ends(const SamplingState& state) {
  return state.num_outputs() < state.params().min_tokens;
}

bool leaves_logits(const SamplingState& state) {
  const SamplingParams& sampling = state.params();
  return sampling.allowed_token_ids.empty() && sampling.bad_words.empty() && !forbids_ends(state) &&
         sampling.logit_bias.empty() && state.token_uses().empty();
}

double weight_of(std::span<const ScoredId> tokens) {
  double sum = 0;
  for (const ScoredId& token : tokens) sum += static_cast<double>(token.score);
  return sum;
}

// Ids come from clients; those outside of the vocabulary say nothing about any token.
float* find(std::span<float> logits, TokenId token) {
  const auto id = static_cast<size_t>(token.value());
  return id < logits.size() ? &logits[id] : nullptr;
}

void forbid(std::span<float> logits, TokenId token) {
  if (float* logit = find(logits, token)) *logit = kForbidden;
}

void apply_allowed(std::span<float> logits, std::span<const float> raw,
                   const std::vector<TokenId>& allowed) {
  if (allowed.empty()) {
    std::copy(raw.begin(), raw.end(), logits.begin());
    return;
  }
  std::fill(logits.begin(), logits.end(), kForbidden);
  for (const TokenId token : allowed) {
    if (float* logit = find(logits, token)) *logit = raw[static_cast<size_t>(token.value())];
  }
}

void apply_bad_words(std::span<float> logits, const SamplingState& state) {
  const std::span<const TokenId> outputs = state.outputs();
  for (const std::vector<TokenId>& word : state.params().bad_words) {
    if (word.empty() || word.size() > outputs.size() + 1) continue;
    const std::span<const TokenId> head(word.data(), word.size() - 1);
    const std::span<const TokenId> tail = outputs.last(head.size());
    if (std::equal(head.begin(), head.end(), tail.begin())) forbid(logits, word.back());
  }
}

void apply_penalties(std::span<float> logits, const SamplingState& state) {
  const SamplingParams& sampling = state.params();
  for (const auto& [token, use] : state.token_uses()) {
    float* logit = find(logits, token);
    if (logit == nullptr) continue;
    *logit =
        *logit > 0 ? *logit / sampling.repetition_penalty : *logit * sampling.repetition_penalty;
    *logit -= sampling.frequency_penalty * static_cast<float>(use.in_outputs);
    *logit -= use.in_outputs > 0 ? sampling.presence_penalty : 0.0f;
  }
}

// The logits that the choice is made from: `raw` itself where the request changes nothing.
std::span<const float> adjusted(std::span<const float> raw, const SamplingState& state,
                                std::optional<TokenId> eos, std::span<float> scratch) {
  if (leaves_logits(state)) return raw;
  const SamplingParams& sampling = state.params();
  apply_allowed(scratch, raw, sampling.allowed_token_ids);
  apply_bad_words(scratch, state);
  if (forbids_ends(state)) {
    if (eos) forbid(scratch, *eos);
    for (const TokenId stop : sampling.stop_token_ids) forbid(scratch, stop);
  }
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (float* logit = find(scratch, token)) *logit += std::clamp(bias, -kMostBias, kMostBias);
  }
  apply_penalties(scratch, state);
  return scratch;
}

TokenLogprobs logprobs_of(std::span<const float> logits, TokenId chosen, int num_top,
                          std::vector<ScoredId>& scratch) {
  const float max = max_of(logits);
  const double log_sum = std::log(sum_of_exps(logits, max));
  const auto logprob = [&](float logit) {
    const double value = static_cast<double>(logit - max) - log_sum;
    return value > static_cast<double>(kLowestLogprob) ? static_cast<float>(value) : kLowestLogprob;
  };
  const float logit = logits[static_cast<size_t>(chosen.value())];
  TokenLogprobs result = {
      .chosen = {chosen, logprob(logit), static_cast<int>(count_at_least(logits, logit))},
      .top = {}};
  find_top(scratch, logits, num_top);
  result.top.reserve(scratch.size());
  for (const ScoredId& token : scratch) {
    const auto rank = static_cast<int>(result.top.size()) + 1;
    result.top.push_back({TokenId(token.id), logprob(token.score), rank});
  }
  return result;
}

}  // namespace

ChoiceScratch::ChoiceScratch(int64_t vocab) : row(static_cast<size_t>(vocab)) {
  tokens.reserve(row.size());
  run_sums.reserve(row.size() / static_cast<size_t>(kRun) + 1);
}

TokenChoice::TokenChoice(std::span<const float> logits, const SamplingState& state,
                         std::optional<TokenId> eos, ChoiceScratch& scratch)
    : vocab_(static_cast<int64_t>(logits.size())),
      kept_(scratch.tokens),
      run_sums_(scratch.run_sums) {
  kept_.clear();
  const SamplingParams& sampling = state.params();
  const std::span<const float> row = adjusted(logits, state, eos, scratch.row);
  const float max = max_of(row);
  // At temperature 0, and where every token is forbidden or something is not a number.
  if (takes_most_likely(sampling) || !std::isfinite(max)) {
    const int32_t best = argmax_of(row);
    kept_.push_back({1.0f, best});
    total_ = 1.0;
    return;
  }
  const float temperature = sampling.temperature;  // not a number counts as the lowest
  const float scale = 1.0f / (temperature > kLowestTemperature ? temperature : kLowestTemperature);
  const bool has_top_k = sampling.top_k > 0 && sampling.top_k < vocab_;
  if (has_top_k || sampling.min_p > 0.0f || sampling.top_p < 1.0f) {
    keep_best(row, max, scale, sampling);
  } else {
    keep_all(row, max, scale, scratch.row);
  }
}

void TokenChoice::keep_all(std::span<const float> logits, float max, float scale,
                           std::span<float> scratch) {
  fill_exps(scratch, run_sums_, logits, max, scale);
  weights_ = scratch;
  for (const double sum : run_sums_) total_ += sum;
}

void TokenChoice::keep_best(std::span<const float> logits, float max, float scale,
                            const SamplingParams& sampling) {
  // The logit whose weight this is; a hair lower, as rounding may be on the other side.
  const auto logit_of = [&](double weight) {
    return weight > 0 ? max + static_cast<float>(std::log(weight) - 1e-3) / scale : kForbidden;
  };
  const bool has_top_k = sampling.top_k > 0 && sampling.top_k < vocab_;
  const bool top_p_alone = !has_top_k && sampling.min_p <= 0.0f;
  float floor = logit_of(static_cast<double>(sampling.min_p));
  if (has_top_k) {
    find_top(kept_, logits, sampling.top_k);
    floor = std::max(floor, kept_.back().score);
  }
  if (top_p_alone) {
    // Of the tokens lighter than (1 - top_p) total / vocab none can be kept: they weigh less than
    // (1 - top_p) total together. What is left is short enough to sort.
    total_ = sum_of_exps(logits, max, scale);
    const double dropped = (1.0 - static_cast<double>(sampling.top_p)) * total_;
    floor = logit_of(dropped / static_cast<double>(vocab_));
  }
  find_at_least(kept_, logits, floor);
  std::erase_if(kept_, [](const ScoredId& token) { return token.score == kForbidden; });
  scores_to_weights(kept_, max, scale);
  std::erase_if(kept_, [&](const ScoredId& token) { return token.score < sampling.min_p; });
  if (!top_p_alone) total_ = weight_of(kept_);
  if (sampling.top_p < 1.0f) cut_to_top_p(static_cast<double>(sampling.top_p));
}

// Keeps the best tokens, as long as those before weigh less than top_p of the total. Halves what is
// in question until a sort is cheap: a flat distribution over a large vocabulary keeps half of it.
void TokenChoice::cut_to_top_p(double top_p) {
  constexpr std::ptrdiff_t kSorted = 64;
  const double wanted = top_p * total_;
  double before = 0;  // weight of what is better than *begin
  auto begin = kept_.begin(), end = kept_.end();
  while (end - begin > kSorted) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, is_better);
    const double weight = weight_of({begin, middle});
    if (before + weight >= wanted) {
      end = middle;
    } else {
      before += weight;
      begin = middle;
    }
  }
  std::sort(begin, end, is_better);
  while (begin != end && (begin == kept_.begin() || before < wanted)) {
    before += static_cast<double>(begin->score);
    ++begin;
  }
  kept_.erase(begin, kept_.end());
  total_ = before;
}

TokenId TokenChoice::draw(uint64_t seed, uint64_t position) const {
  double left = uniform_from(seed, position) * total_;
  if (!kept_.empty()) {
    for (const ScoredId& token : kept_) {
      left -= static_cast<double>(token.score);
      if (left < 0) return TokenId(token.id);
    }
    return TokenId(kept_.back().id);
  }
  size_t run = 0;
  while (run + 1 < run_sums_.size() && left >= run_sums_[run]) left -= run_sums_[run++];
  size_t last = 0;  // the last with any weight: rounding may leave a little at the end
  for (size_t i = run * static_cast<size_t>(kRun); i < weights_.size(); ++i) {
    if (weights_[i] == 0.0f) continue;
    last = i;
    left -= static_cast<double>(weights_[i]);
    if (left < 0) break;
  }
  return TokenId(static_cast<int32_t>(last));
}

std::vector<double> TokenChoice::probabilities() const {
  std::vector<double> result(static_cast<size_t>(vocab_), 0.0);
  for (const ScoredId& token : kept_) {
    result[static_cast<size_t>(token.id)] = static_cast<double>(token.score) / total_;
  }
  for (size_t i = 0; i < weights_.size(); ++i) {
    result[i] = static_cast<double>(weights_[i]) / total_;
  }
  return result;
}

int64_t ChoiceScratch::bytes(int64_t vocab) {
  constexpr auto kRowAndToken = static_cast<int64_t>(sizeof(float) + sizeof(ScoredId));
  return vocab * kRowAndToken + (vocab / kRun + 1) * static_cast<int64_t>(sizeof(double));
}

int sampler_threads(const ParallelConfig& parallel) {
  const int wanted = parallel.threads > 0 ? parallel.threads : usable_cores("/");
  constexpr int kMostUseful = 8;  // rows are few and quick; more threads only wake up
  return std::clamp(wanted, 1, kMostUseful);
}

int64_t Sampler::scratch_bytes(int64_t vocab, int threads) {
  return threads * ChoiceScratch::bytes(vocab);
}

Sampler::Sampler(int64_t vocab, std::optional<TokenId> eos_token, int threads)
    : vocab_(vocab), eos_token_(eos_token), team_(threads) {
  for (int worker = 0; worker < team_.size(); ++worker) scratch_.emplace_back(vocab);
}

void Sampler::add(RequestId id, SamplingState state) {
  MUST(states_.emplace(id, std::move(state)).second);
}

SamplingState* Sampler::find(RequestId id) {
  const auto found = states_.find(id);
  return found == states_.end() ? nullptr : &found->second;
}

bool Sampler::is_greedy(const StepPlan& plan) const {
  return plan.num_outputs() > 0 &&
         std::all_of(plan.chunks.begin(), plan.chunks.end(),
                     [this](const PlannedChunk& chunk) { return is_greedy(chunk); });
}

// What changes the logits of a request changes them until a number of tokens is chosen, or for
// ever: where steps are not sampled yet, it is at least thought to.
bool Sampler::is_greedy(const PlannedChunk& chunk) const {
  const auto found = states_.find(chunk.request);
  if (found == states_.end() || chunk.outputs == 0) return true;
  const SamplingState& state = found->second;
  return chunk.prompt_outputs() == 0 && takes_most_likely(state.params()) &&
         !state.params().logprobs && leaves_logits(state);
}

void Sampler::sample(const StepPlan& plan, const StepOutput& output,
                     std::vector<ChunkResult>& results) {
  results.clear();
  results.resize(plan.chunks.size());
  rows_.clear();
  const TokenId* next_tokens = plan.next_tokens.data();
  for (size_t i = 0; i < plan.chunks.size(); ++i) {
    add_rows(plan.chunks[i], next_tokens, results[i]);
    next_tokens += plan.chunks[i].prompt_outputs();
  }
  if (plan.is_greedy) {
    take(output.chosen);
  } else {
    sample_rows(output.logits);
  }
  for (size_t i = 0; i < plan.chunks.size(); ++i) {
    for (const TokenId token : results[i].tokens) find(plan.chunks[i].request)->append(token);
  }
}

void Sampler::take(Tensor chosen) const {
  MUST(chosen.count() == static_cast<int64_t>(rows_.size()));
  const auto* token = chosen.as<int32_t>();
  for (const Row& row : rows_) {
    if (row.state != nullptr) *row.token = TokenId(*token);
    ++token;
  }
}

void Sampler::sample_rows(Tensor logits) {
  if (rows_.empty()) return;
  MUST(logits.dim(0) == static_cast<int64_t>(rows_.size()) && logits.dim(1) == vocab_);
  const int64_t grain = std::max<int64_t>(1, kTokensAChunk / vocab_);
  team_.for_chunks(logits.dim(0), grain, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      const std::span<const float> row(logits.as<float>() + i * vocab_,
                                       static_cast<size_t>(vocab_));
      sample_row(rows_[static_cast<size_t>(i)], row, scratch_[static_cast<size_t>(worker)]);
    }
  });
}

void Sampler::add_rows(const PlannedChunk& chunk, const TokenId* next_tokens, ChunkResult& result) {
  const SamplingState* state = find(chunk.request);
  if (state == nullptr) {
    rows_.insert(rows_.end(), static_cast<size_t>(chunk.outputs), Row{});
    return;
  }
  // To choose a second token is to know what the first one would be: that takes drafts.
  MUST(chunk.samples == 0 || (chunk.samples == 1 && state->num_tokens() == chunk.end()));
  result.prompt_logprobs.resize(static_cast<size_t>(chunk.prompt_outputs()));
  for (TokenLogprobs& one : result.prompt_logprobs) {
    rows_.push_back({.state = state, .token = nullptr, .next = *next_tokens++, .logprobs = &one});
  }
  result.tokens.resize(static_cast<size_t>(chunk.samples));
  if (state->params().logprobs) result.logprobs.resize(result.tokens.size());
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    rows_.push_back({.state = state,
                     .token = &result.tokens[i],
                     .next = {},
                     .logprobs = result.logprobs.empty() ? nullptr : &result.logprobs[i]});
  }
}

void Sampler::sample_row(const Row& row, std::span<const float> logits,
                         ChoiceScratch& scratch) const {
  if (row.state == nullptr) return;
  const SamplingParams& sampling = row.state->params();
  if (row.token == nullptr) {
    *row.logprobs =
        logprobs_of(logits, row.next, sampling.prompt_logprobs.value_or(0), scratch.tokens);
    return;
  }
  if (takes_most_likely(sampling)) {
    *row.token = TokenId(argmax_of(adjusted(logits, *row.state, eos_token_, scratch.row)));
  } else {
    const TokenChoice choice(logits, *row.state, eos_token_, scratch);
    const auto position = static_cast<uint64_t>(row.state->num_tokens());
    *row.token = choice.draw(sampling.seed.value_or(0), position);
  }
  if (row.logprobs != nullptr) {
    *row.logprobs = logprobs_of(logits, *row.token, sampling.logprobs.value_or(0), scratch.tokens);
  }
}

}  // namespace pagoda
