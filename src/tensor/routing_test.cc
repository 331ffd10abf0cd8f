#include "tensor/routing.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace pagoda {
namespace {

// Routing of some tokens, with memory of its own.
struct Routed {
  std::vector<int32_t> experts, places, rows, offsets;
  std::vector<float> weights;
};

Routed routed(std::vector<float> logits, int64_t count, const RoutingRule& rule,
              std::vector<float> correction = {}) {
  const int64_t tokens = static_cast<int64_t>(logits.size()) / count, pairs = tokens * rule.active;
  const auto size = static_cast<size_t>(pairs);
  Routed r = {.experts = std::vector<int32_t>(size),
              .places = std::vector<int32_t>(size),
              .rows = std::vector<int32_t>(size),
              .offsets = std::vector<int32_t>(static_cast<size_t>(count) + 1),
              .weights = std::vector<float>(size)};
  const Routing routing = {
      .experts = make_view(r.experts.data(), {tokens, rule.active}, DType::kI32),
      .weights = make_view(r.weights.data(), {tokens, rule.active}, DType::kF32),
      .places = make_view(r.places.data(), {tokens, rule.active}, DType::kI32),
      .rows = make_view(r.rows.data(), {pairs}, DType::kI32),
      .offsets = make_view(r.offsets.data(), {count + 1}, DType::kI32)};
  RouterScores scores = {.logits = make_view(logits.data(), {tokens, count}, DType::kF32),
                         .correction = {}};
  if (!correction.empty()) scores.correction = make_view(correction.data(), {count}, DType::kF32);
  std::vector<float> scratch(static_cast<size_t>(routing_scratch(count)));
  choose_experts(routing, scores, rule, {0, tokens}, scratch.data());
  sort_pairs(routing);
  return r;
}

using Numbers = std::vector<int32_t>;

}  // namespace

TEST_CASE("the experts with the largest scores are chosen, equals in order of their numbers") {
  CHECK(routed({1, 3, 2, 3}, 4, {.active = 3}).experts == Numbers{1, 3, 2});
}

TEST_CASE("weights are softmax scores over all experts, normalized and scaled on demand") {
  const std::vector<float> logits = {0.0f, std::log(2.0f), std::log(5.0f)};
  const Routed plain = routed(logits, 3, {.active = 2});
  CHECK(plain.weights[0] == doctest::Approx(5.0 / 8.0));
  CHECK(plain.weights[1] == doctest::Approx(2.0 / 8.0));
  const Routed scaled = routed(logits, 3, {.active = 2, .normalize = true, .scale = 2.0f});
  CHECK(scaled.weights[0] == doctest::Approx(10.0 / 7.0));
  CHECK(scaled.weights[1] == doctest::Approx(4.0 / 7.0));
}

TEST_CASE("a correction decides which experts are chosen and does not enter their weights") {
  const Routed r = routed({0.0f, 1.0f}, 2, {.active = 1, .score = ExpertScore::kSigmoid}, {1, 0});
  CHECK(r.experts == Numbers{0});
  CHECK(r.weights[0] == doctest::Approx(0.5));
}

TEST_CASE("experts come from the groups with the best expert, or the two best") {
  const std::vector<float> logits = {5, 0, 4, 4, 3, 3};
  RoutingRule rule = {.active = 2, .groups = 3, .active_groups = 1};
  CHECK(routed(logits, 6, rule).experts == Numbers{0, 1});
  rule.score = ExpertScore::kSigmoid;
  rule.group_score = GroupScore::kSumOfTwoBest;
  CHECK(routed(logits, 6, rule).experts == Numbers{2, 3});
}

TEST_CASE("an expert of a group that takes no part does not win over a negative one") {
  const RoutingRule rule = {
      .active = 2, .score = ExpertScore::kSigmoid, .groups = 2, .active_groups = 1};
  CHECK(routed({1, 0, 2, 0}, 4, rule, {-3, -3, -3, -3}).experts == Numbers{2, 3});
}

TEST_CASE("pairs are sorted by expert, those of an expert in order of tokens") {
  const Routed r = routed({0, 1, 2, 2, 1, 0, 0, 2, 1}, 3, {.active = 2});
  CHECK(r.experts == Numbers{2, 1, 0, 1, 1, 2});
  CHECK(r.offsets == Numbers{0, 1, 4, 6});
  CHECK(r.rows == Numbers{1, 0, 1, 2, 0, 2});
  CHECK(r.places == Numbers{4, 1, 0, 2, 3, 5});
}

TEST_CASE("scores that are no numbers still choose experts that exist, each once") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Routed r = routed({nan, nan, nan, nan}, 4, {.active = 3, .groups = 2, .active_groups = 2});
  CHECK(r.experts == Numbers{0, 1, 2});
}

TEST_CASE("no tokens are routed nowhere") {
  CHECK(routed({}, 3, {.active = 2}).offsets == Numbers{0, 0, 0, 0});
}

}  // namespace pagoda
