#include "engine/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace pagoda {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(size_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

Sequence sequence_with(SamplingParams sampling, std::vector<TokenId> prompt = {TokenId(0)}) {
  sampling.max_tokens = 100;
  return Sequence(
      {.id = RequestId(1), .prompt = std::move(prompt), .sampling = std::move(sampling)}, 0, {});
}

std::vector<double> probabilities(const std::vector<float>& logits,
                                  const SamplingParams& sampling) {
  std::vector<float> scratch(logits.size());
  return TokenChoice(logits, sequence_with(sampling), std::nullopt, scratch).probabilities();
}

ChunkResult sample_one(std::vector<float> logits, Sequence& sequence,
                       std::optional<TokenId> eos = std::nullopt) {
  const auto vocab = static_cast<int64_t>(logits.size());
  Sampler sampler(vocab, eos, 1);
  const StepPlan plan = {{{.sequence = &sequence,
                           .first = sequence.num_tokens() - 1,
                           .count = 1,
                           .outputs = 1,
                           .samples = true}}};
  return sampler.sample(plan, make_view(logits.data(), {1, vocab}, DType::kF32)).at(0);
}

// softmax in double, then the cuts one after another over a full sort: slow and plain.
std::vector<double> plain_probabilities(const std::vector<float>& logits,
                                        const SamplingParams& sampling) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  const double best = static_cast<double>(logits[static_cast<size_t>(order[0])]);
  std::vector<double> weights(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    weights[i] = std::exp((static_cast<double>(logits[i]) - best) /
                          static_cast<double>(sampling.temperature));
    if (weights[i] < static_cast<double>(sampling.min_p)) weights[i] = 0;
  }
  for (size_t i = static_cast<size_t>(sampling.top_k); sampling.top_k > 0 && i < order.size();
       ++i) {
    weights[static_cast<size_t>(order[i])] = 0;
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double before = 0;
  for (const int id : order) {
    double& weight = weights[static_cast<size_t>(id)];
    before += weight;
    if (before - weight >= static_cast<double>(sampling.top_p) * total) weight = 0;
  }
  const double kept = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= kept;
  return weights;
}

TEST_CASE("partial selection gives what a full sort gives, whatever is asked for") {
  std::mt19937 random(1);
  const auto pick = [&](std::initializer_list<double> values) {
    return *(values.begin() +
             std::uniform_int_distribution<int>(0, static_cast<int>(values.size()) - 1)(random));
  };
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const auto logits = random_logits(static_cast<size_t>(pick({1, 2, 17, 300, 1024, 5000})), seed);
    const SamplingParams sampling = {.temperature = static_cast<float>(pick({0.3, 0.7, 1, 2})),
                                     .top_p = static_cast<float>(pick({1, 0.99, 0.9, 0.5, 0.01})),
                                     .top_k = static_cast<int>(pick({0, 1, 3, 40, 10000})),
                                     .min_p = static_cast<float>(pick({0, 0, 0.01, 0.2}))};
    CAPTURE(seed);
    const auto got = probabilities(logits, sampling),
               expected = plain_probabilities(logits, sampling);
    double largest = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      largest = std::max(largest, std::abs(got[i] - expected[i]));
    }
    CHECK(largest < 1e-5);
  }
}

TEST_CASE("draws follow the probabilities") {
  const auto logits = random_logits(50, 3);
  for (const SamplingParams& sampling :
       {SamplingParams{}, SamplingParams{.top_p = 0.8f, .top_k = 10}}) {
    std::vector<float> scratch(logits.size());
    const TokenChoice choice(logits, sequence_with(sampling), std::nullopt, scratch);
    const auto expected = choice.probabilities();
    constexpr int kDraws = 40000;
    std::vector<double> seen(logits.size());
    for (int i = 0; i < kDraws; ++i) {
      seen[static_cast<size_t>(choice.draw(7, static_cast<uint64_t>(i)).value())] += 1.0 / kDraws;
    }
    for (size_t i = 0; i < seen.size(); ++i) {
      const double deviation = std::sqrt(expected[i] * (1 - expected[i]) / kDraws);
      CHECK(std::abs(seen[i] - expected[i]) <= 5 * deviation);
    }
  }
}

TEST_CASE("a draw depends on seed and position, and on nothing else") {
  const auto logits = random_logits(5000, 4);
  std::vector<float> scratch(logits.size()), other_scratch(logits.size(), 1.0f);
  const Sequence sequence = sequence_with({});
  const TokenChoice a(logits, sequence, std::nullopt, scratch),
      b(logits, sequence, std::nullopt, other_scratch);
  CHECK(a.draw(1, 2) == b.draw(1, 2));
  std::vector<TokenId> draws;
  for (uint64_t i = 0; i < 20; ++i) draws.push_back(a.draw(1, i));
  CHECK(std::count(draws.begin(), draws.end(), draws[0]) < 10);
}

TEST_CASE("of equally likely tokens the smaller id is the most likely one") {
  Sequence sequence = sequence_with({.temperature = 0, .logprobs = 2});
  const ChunkResult result = sample_one({1, 5, 3, 5}, sequence);
  CHECK(result.token == TokenId(1));
  CHECK(result.logprobs->top[0].token == TokenId(1));
  CHECK(result.logprobs->top[1].token == TokenId(3));
  CHECK(result.logprobs->chosen.rank == 2);  // as vLLM counts: tokens at least as likely
}

TEST_CASE("the end token and stop tokens are forbidden until min_tokens") {
  Sequence sequence =
      sequence_with({.temperature = 0, .min_tokens = 1, .stop_token_ids = {TokenId(2)}});
  CHECK(sample_one({1, 9, 8, 2}, sequence, TokenId(1)).token == TokenId(3));
  sequence.append(TokenId(3));
  CHECK(sample_one({1, 9, 8, 2}, sequence, TokenId(1)).token == TokenId(1));
}

TEST_CASE("log-probabilities do not see what changes the choice, and have a floor") {
  Sequence sequence =
      sequence_with({.temperature = 0, .logprobs = 1, .logit_bias = {{TokenId(0), 100}}});
  const ChunkResult result = sample_one({0, 0, -20000, -20000}, sequence);
  CHECK(result.token == TokenId(0));
  CHECK(result.logprobs->chosen.logprob == doctest::Approx(std::log(0.5)));
  Sequence forced =
      sequence_with({.temperature = 0, .logprobs = 0, .allowed_token_ids = {TokenId(2)}});
  CHECK(sample_one({0, 0, -20000, -20000}, forced).logprobs->chosen.logprob == -9999.0f);
}

TEST_CASE("ids beyond the vocabulary are passed over") {
  const TokenId far(99), negative(-1);
  Sequence sequence = sequence_with({.temperature = 0,
                                     .repetition_penalty = 2.0f,
                                     .min_tokens = 3,
                                     .stop_token_ids = {far, negative},
                                     .logit_bias = {{far, 1.0f}, {negative, 1.0f}},
                                     .bad_words = {{far}, {negative}, {}}},
                                    {far, negative});
  CHECK(sample_one({1, 2, 3}, sequence).token == TokenId(2));
}

TEST_CASE("a row where every token is forbidden, or nothing is a number, still gives a token") {
  Sequence forbidden = sequence_with({.allowed_token_ids = {TokenId(99)}});
  CHECK(sample_one({1, 2, 3}, forbidden).token == TokenId(0));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Sequence any = sequence_with({.top_p = 0.5f, .top_k = 2});
  CHECK(sample_one({nan, nan, nan}, any).token == TokenId(0));
  CHECK(sample_one({nan, 1, nan}, any).token == TokenId(1));
  Sequence no_temperature = sequence_with({.temperature = nan, .top_p = nan, .min_p = nan});
  CHECK(sample_one({1, 9, 3}, no_temperature).token == TokenId(1));
  Sequence all = sequence_with({});
  CHECK(sample_one({0, kInfinity, kInfinity}, all).token == TokenId(1));
}

TEST_CASE("rows of a chunk that are not sampled tell about the prompt") {
  Sequence sequence =
      sequence_with({.temperature = 0, .prompt_logprobs = 1}, {TokenId(0), TokenId(1), TokenId(2)});
  std::vector<float> logits = {0, 4, 0, 0, 3, 0, 0, 0, 7};
  Sampler sampler(3, std::nullopt, 1);
  const StepPlan plan = {
      {{.sequence = &sequence, .first = 0, .count = 3, .outputs = 3, .samples = true}}};
  const auto result = sampler.sample(plan, make_view(logits.data(), {3, 3}, DType::kF32)).at(0);
  REQUIRE(result.prompt_logprobs.size() == 2);
  CHECK(result.prompt_logprobs[0].chosen.token == TokenId(1));
  CHECK(result.prompt_logprobs[0].chosen.rank == 1);
  CHECK(result.prompt_logprobs[1].chosen.token == TokenId(2));
  CHECK(result.prompt_logprobs[1].top[0].token == TokenId(1));
  CHECK(result.token == TokenId(2));
}

TEST_CASE("many rows on many threads are the same as each alone") {
  constexpr int64_t kVocab = 70000, kRows = 6;
  std::vector<float> logits;
  std::vector<Sequence> sequences;
  StepPlan plan;
  for (int64_t i = 0; i < kRows; ++i) {
    const auto row = random_logits(kVocab, static_cast<uint32_t>(i));
    logits.insert(logits.end(), row.begin(), row.end());
    sequences.push_back(sequence_with({.seed = static_cast<uint64_t>(i), .logprobs = 5}));
  }
  for (Sequence& s : sequences) {
    plan.chunks.push_back({.sequence = &s, .first = 0, .count = 1, .outputs = 1, .samples = true});
  }
  Sampler sampler(kVocab, std::nullopt, 3);
  const auto results = sampler.sample(plan, make_view(logits.data(), {kRows, kVocab}, DType::kF32));
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(i) * kVocab;
    const ChunkResult alone = sample_one({begin, begin + kVocab}, sequences[i]);
    CHECK(results[i].token == alone.token);
    CHECK(results[i].logprobs->chosen.logprob == alone.logprobs->chosen.logprob);
  }
}

}  // namespace
}  // namespace pagoda
