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

SamplingState state_with(SamplingParams params, const std::vector<TokenId>& prompt = {TokenId(0)}) {
  params.max_tokens = 100;
  return {std::move(params), prompt};
}

std::vector<double> probabilities(const std::vector<float>& logits,
                                  const SamplingParams& sampling) {
  ChoiceScratch scratch(static_cast<int64_t>(logits.size()));
  return TokenChoice(logits, state_with(sampling), std::nullopt, scratch).probabilities();
}

// A sampler of one request, whose decodes are sampled one after the other.
struct SoleSampler {
  Sampler sampler;
  int64_t num_tokens;

  SoleSampler(SamplingState state, int64_t vocab, std::optional<TokenId> eos = std::nullopt)
      : sampler(vocab, eos, 1), num_tokens(state.num_tokens()) {
    sampler.add(RequestId(1), std::move(state));
  }

  ChunkResult sample(std::vector<float> logits) {
    StepPlan plan;
    plan.chunks = {{.request = RequestId(1),
                    .first = num_tokens++ - 1,
                    .count = 1,
                    .outputs = 1,
                    .samples = 1}};
    const auto vocab = static_cast<int64_t>(logits.size());
    std::vector<ChunkResult> results;
    sampler.sample(plan, {.logits = make_view(logits.data(), {1, vocab}, DType::kF32)}, results);
    return results.at(0);
  }
};

ChunkResult sample_one(const std::vector<float>& logits, SamplingState state) {
  const auto vocab = static_cast<int64_t>(logits.size());
  return SoleSampler(std::move(state), vocab).sample(logits);
}

TokenId token_of(const ChunkResult& result) {
  REQUIRE(result.tokens.size() == 1);
  return result.tokens[0];
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
    ChoiceScratch scratch(50);
    const TokenChoice choice(logits, state_with(sampling), std::nullopt, scratch);
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
  ChoiceScratch scratch(5000), other_scratch(5000);
  std::fill(other_scratch.row.begin(), other_scratch.row.end(), 1.0f);
  const SamplingState state = state_with({});
  const TokenChoice a(logits, state, std::nullopt, scratch),
      b(logits, state, std::nullopt, other_scratch);
  CHECK(a.draw(1, 2) == b.draw(1, 2));
  std::vector<TokenId> draws;
  for (uint64_t i = 0; i < 20; ++i) draws.push_back(a.draw(1, i));
  CHECK(std::count(draws.begin(), draws.end(), draws[0]) < 10);
}

TEST_CASE("of equally likely tokens the smaller id is the most likely one") {
  const ChunkResult result =
      sample_one({1, 5, 3, 5}, state_with({.temperature = 0, .logprobs = 2}));
  CHECK(token_of(result) == TokenId(1));
  REQUIRE(result.logprobs.size() == 1);
  CHECK(result.logprobs[0].top[0].token == TokenId(1));
  CHECK(result.logprobs[0].top[1].token == TokenId(3));
  CHECK(result.logprobs[0].chosen.rank == 2);  // as vLLM counts: tokens at least as likely
}

TEST_CASE("the end token and stop tokens are forbidden until min_tokens") {
  SoleSampler s(state_with({.temperature = 0, .min_tokens = 1, .stop_token_ids = {TokenId(2)}}), 4,
                TokenId(1));
  CHECK(token_of(s.sample({1, 9, 8, 2})) == TokenId(3));
  CHECK(token_of(s.sample({1, 9, 8, 2})) == TokenId(1));
}

TEST_CASE("what was chosen is known when the next token is chosen") {
  SoleSampler words(
      state_with({.temperature = 0, .bad_words = {{TokenId(1), TokenId(2)}, {TokenId(0)}}}), 4);
  CHECK(token_of(words.sample({9, 8, 0, 0})) == TokenId(1));
  CHECK(token_of(words.sample({0, 0, 9, 8})) == TokenId(3));
  CHECK(token_of(words.sample({0, 0, 9, 8})) == TokenId(2));
  SoleSampler penalized(state_with({.temperature = 0, .frequency_penalty = 2}), 3);
  CHECK(token_of(penalized.sample({1, 4, 3})) == TokenId(1));
  CHECK(token_of(penalized.sample({1, 4, 3})) == TokenId(2));
  CHECK(token_of(penalized.sample({1, 4, 3})) == TokenId(1));
}

TEST_CASE("a chunk of a request that is over gets nothing") {
  std::vector<float> logits = {0, 4, 0, 0, 3, 0, 7, 0, 0};
  Sampler sampler(3, std::nullopt, 1);
  sampler.add(RequestId(1), state_with({.temperature = 0, .prompt_logprobs = 0}));
  sampler.add(RequestId(2), state_with({.temperature = 0}));
  sampler.forget(RequestId(1));
  StepPlan plan;
  plan.chunks = {{.request = RequestId(1), .first = 0, .count = 2, .outputs = 2, .samples = 1},
                 {.request = RequestId(2), .first = 0, .count = 1, .outputs = 1, .samples = 1}};
  plan.next_tokens = {TokenId(1)};
  std::vector<ChunkResult> results;
  sampler.sample(plan, {.logits = make_view(logits.data(), {3, 3}, DType::kF32)}, results);
  CHECK(results[0].tokens.empty());
  CHECK(results[0].prompt_logprobs.empty());
  CHECK(token_of(results[1]) == TokenId(0));
}

TEST_CASE("log-probabilities do not see what changes the choice, and have a floor") {
  const ChunkResult result =
      sample_one({0, 0, -20000, -20000},
                 state_with({.temperature = 0, .logprobs = 1, .logit_bias = {{TokenId(0), 100}}}));
  CHECK(token_of(result) == TokenId(0));
  CHECK(result.logprobs[0].chosen.logprob == doctest::Approx(std::log(0.5)));
  const ChunkResult forced =
      sample_one({0, 0, -20000, -20000},
                 state_with({.temperature = 0, .logprobs = 0, .allowed_token_ids = {TokenId(2)}}));
  CHECK(forced.logprobs[0].chosen.logprob == -9999.0f);
}

TEST_CASE("ids beyond the vocabulary are passed over") {
  const TokenId far(99), negative(-1);
  const SamplingState state = state_with({.temperature = 0,
                                          .repetition_penalty = 2.0f,
                                          .min_tokens = 3,
                                          .stop_token_ids = {far, negative},
                                          .logit_bias = {{far, 1.0f}, {negative, 1.0f}},
                                          .bad_words = {{far}, {negative}, {}}},
                                         {far, negative});
  CHECK(token_of(sample_one({1, 2, 3}, state)) == TokenId(2));
}

TEST_CASE("a row where every token is forbidden, or nothing is a number, still gives a token") {
  const auto chosen = [](const std::vector<float>& logits, const SamplingParams& params) {
    return token_of(sample_one(logits, state_with(params)));
  };
  CHECK(chosen({1, 2, 3}, {.allowed_token_ids = {TokenId(99)}}) == TokenId(0));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(chosen({nan, nan, nan}, {.top_p = 0.5f, .top_k = 2}) == TokenId(0));
  CHECK(chosen({nan, 1, nan}, {.top_p = 0.5f, .top_k = 2}) == TokenId(1));
  CHECK(chosen({1, 9, 3}, {.temperature = nan, .top_p = nan, .min_p = nan}) == TokenId(1));
  CHECK(chosen({0, kInfinity, kInfinity}, {}) == TokenId(1));
}

TEST_CASE("rows of a chunk that are not sampled tell about the prompt") {
  const std::vector<TokenId> prompt = {TokenId(0), TokenId(1), TokenId(2)};
  std::vector<float> logits = {0, 4, 0, 0, 3, 0, 0, 0, 7};
  Sampler sampler(3, std::nullopt, 1);
  sampler.add(RequestId(1), state_with({.temperature = 0, .prompt_logprobs = 1}, prompt));
  StepPlan plan;
  plan.chunks = {{.request = RequestId(1), .first = 0, .count = 3, .outputs = 3, .samples = 1}};
  plan.next_tokens = {TokenId(1), TokenId(2)};
  std::vector<ChunkResult> results;
  sampler.sample(plan, {.logits = make_view(logits.data(), {3, 3}, DType::kF32)}, results);
  const ChunkResult& result = results.at(0);
  REQUIRE(result.prompt_logprobs.size() == 2);
  CHECK(result.prompt_logprobs[0].chosen.token == TokenId(1));
  CHECK(result.prompt_logprobs[0].chosen.rank == 1);
  CHECK(result.prompt_logprobs[1].chosen.token == TokenId(2));
  CHECK(result.prompt_logprobs[1].top[0].token == TokenId(1));
  CHECK(token_of(result) == TokenId(2));
}

TEST_CASE("a plan is greedy where the most likely tokens of the logits as they are is all of it") {
  const auto is_greedy = [](SamplingParams params, const PlannedChunk& chunk) {
    Sampler sampler(3, TokenId(2), 1);
    sampler.add(RequestId(1), state_with(std::move(params)));
    StepPlan plan;
    plan.chunks = {chunk};
    return sampler.is_greedy(plan);
  };
  const PlannedChunk decode = {
      .request = RequestId(1), .first = 0, .count = 1, .outputs = 1, .samples = 1};
  CHECK(is_greedy({.temperature = 0}, decode));
  CHECK(is_greedy({.temperature = 0, .top_p = 0.5f, .top_k = 2, .seed = 3}, decode));
  CHECK_FALSE(is_greedy({.temperature = 1}, decode));
  CHECK_FALSE(is_greedy({.temperature = 0, .presence_penalty = 1}, decode));
  CHECK_FALSE(is_greedy({.temperature = 0, .min_tokens = 1}, decode));
  CHECK_FALSE(is_greedy({.temperature = 0, .logprobs = 0}, decode));
  CHECK_FALSE(is_greedy({.temperature = 0, .logit_bias = {{TokenId(1), 1.0f}}}, decode));
  CHECK_FALSE(is_greedy({.temperature = 0, .allowed_token_ids = {TokenId(1)}}, decode));
  CHECK_FALSE(is_greedy({.temperature = 0, .bad_words = {{TokenId(1)}}}, decode));
  const PlannedChunk prompt = {
      .request = RequestId(1), .first = 0, .count = 2, .outputs = 2, .samples = 1};
  CHECK_FALSE(is_greedy({.temperature = 0, .prompt_logprobs = 0}, prompt));
  // One that is over by then is in nobody's way; a plan without outputs chooses nothing.
  CHECK(is_greedy({}, {.request = RequestId(9), .first = 0, .count = 1, .outputs = 1}));
  CHECK_FALSE(is_greedy({.temperature = 0}, {.request = RequestId(1), .first = 0, .count = 1}));
}

TEST_CASE("of a greedy plan the tokens are those that the device chose") {
  Sampler sampler(3, std::nullopt, 1);
  sampler.add(RequestId(1), state_with({.temperature = 0}));
  sampler.add(RequestId(2), state_with({.temperature = 0}));
  sampler.forget(RequestId(1));
  StepPlan plan;
  plan.chunks = {{.request = RequestId(1), .first = 0, .count = 1, .outputs = 1, .samples = 1},
                 {.request = RequestId(2), .first = 0, .count = 1, .outputs = 1, .samples = 1}};
  plan.is_greedy = true;
  std::vector<int32_t> chosen = {1, 2};
  std::vector<ChunkResult> results;
  sampler.sample(plan, {.chosen = make_view(chosen.data(), {2}, DType::kI32)}, results);
  CHECK(results[0].tokens.empty());
  CHECK(token_of(results[1]) == TokenId(2));
}

TEST_CASE("many rows on many threads are the same as each alone") {
  constexpr int64_t kVocab = 70000, kRows = 6;
  std::vector<float> logits;
  Sampler sampler(kVocab, std::nullopt, 3);
  StepPlan plan;
  const auto state_of = [](int64_t i) {
    return state_with({.seed = static_cast<uint64_t>(i), .logprobs = 5});
  };
  for (int64_t i = 0; i < kRows; ++i) {
    const auto row = random_logits(kVocab, static_cast<uint32_t>(i));
    logits.insert(logits.end(), row.begin(), row.end());
    const RequestId id(static_cast<uint64_t>(i));
    sampler.add(id, state_of(i));
    plan.chunks.push_back({.request = id, .first = 0, .count = 1, .outputs = 1, .samples = 1});
  }
  std::vector<ChunkResult> results;
  sampler.sample(plan, {.logits = make_view(logits.data(), {kRows, kVocab}, DType::kF32)}, results);
  for (int64_t i = 0; i < kRows; ++i) {
    const auto begin = logits.begin() + i * kVocab;
    const ChunkResult alone = sample_one({begin, begin + kVocab}, state_of(i));
    const ChunkResult& result = results[static_cast<size_t>(i)];
    CHECK(result.tokens == alone.tokens);
    CHECK(result.logprobs[0].chosen.logprob == alone.logprobs[0].chosen.logprob);
  }
}

}  // namespace
}  // namespace pagoda
