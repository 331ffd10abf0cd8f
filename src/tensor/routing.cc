#include "tensor/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace pagoda {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
// DeepSeek-V3 adds it to the sum (modeling_deepseek.py, MoEGate); nothing else reaches it.
constexpr float kSmallestSum = 1e-20f;

void softmax(std::span<float> x) {
  const float largest = *std::max_element(x.begin(), x.end());
  float sum = 0.0f;
  for (float& value : x) sum += value = std::exp(value - largest);
  for (float& value : x) value /= sum;
}

// Index of the largest number that is not taken (kNever), equals and NaN in order of indices.
size_t best_of(std::span<const float> x) {
  size_t best = 0;
  while (best + 1 < x.size() && x[best] == kNever) ++best;
  for (size_t i = best + 1; i < x.size(); ++i) {
    if (x[i] > x[best]) best = i;
  }
  return best;
}

float score_of_group(std::span<const float> ranks, GroupScore kind) {
  float best = kNever, second = kNever;
  for (const float rank : ranks) {
    second = std::max(second, std::min(best, rank));
    best = std::max(best, rank);
  }
  const bool one = kind == GroupScore::kBest || ranks.size() == 1;
  return one ? best : best + second;
}

// Ranks of groups that do not take part become kNever: a smaller number could still win.
void drop_groups(std::span<float> ranks, std::span<float> scratch, const RoutingRule& rule) {
  const auto groups = static_cast<size_t>(rule.groups);
  const size_t size = ranks.size() / groups;
  const std::span<float> scores = scratch.first(groups);
  for (size_t g = 0; g < groups; ++g) {
    scores[g] = score_of_group(ranks.subspan(g * size, size), rule.group_score);
  }
  for (int64_t left = rule.groups - rule.active_groups; left > 0; --left) {
    size_t worst = groups;  // of equals the last one goes
    for (size_t g = 0; g < groups; ++g) {
      if (scores[g] == kNever) continue;
      if (worst == groups || scores[g] <= scores[worst]) worst = g;
    }
    if (worst == groups) return;
    scores[worst] = kNever;
    std::fill_n(ranks.begin() + static_cast<int64_t>(worst * size), size, kNever);
  }
}

// logits, correction [experts]; experts, weights [active]. `scratch` of routing_scratch().
struct Token {
  std::span<const float> logits;
  const float* correction;  // null: none
  std::span<float> scratch;
  std::span<int32_t> experts;
  std::span<float> weights;
};

void choose(const Token& token, const RoutingRule& rule) {
  const size_t count = token.logits.size();
  const std::span<float> scores = token.scratch.first(count);
  const std::span<float> ranks = token.scratch.subspan(count, count);
  std::copy(token.logits.begin(), token.logits.end(), scores.begin());
  if (rule.score == ExpertScore::kSoftmax) {
    softmax(scores);
  } else {
    for (float& x : scores) x = 1.0f / (1.0f + std::exp(-x));
  }
  for (size_t i = 0; i < count; ++i) {
    ranks[i] = scores[i] + (token.correction == nullptr ? 0.0f : token.correction[i]);
  }
  if (rule.active_groups < rule.groups) drop_groups(ranks, token.scratch.last(count), rule);
  float sum = 0.0f;
  for (size_t i = 0; i < token.experts.size(); ++i) {
    const size_t best = best_of(ranks);
    ranks[best] = kNever;
    token.experts[i] = static_cast<int32_t>(best);
    token.weights[i] = scores[best];
    sum += scores[best];
  }
  for (float& weight : token.weights) {
    if (rule.normalize) weight /= sum + kSmallestSum;
    weight *= rule.scale;
  }
}

}  // namespace

void choose_experts(const Routing& routing, const RouterScores& scores, const RoutingRule& rule,
                    TokenRange tokens, float* scratch) {
  const auto experts = static_cast<size_t>(scores.logits.dim(1));
  const auto active = static_cast<size_t>(rule.active);
  for (int64_t t = tokens.begin; t < tokens.end; ++t) {
    choose({.logits = {scores.logits.as<float>() + t * scores.logits.dim(1), experts},
            .correction = scores.correction.as<float>(),
            .scratch = {scratch, static_cast<size_t>(routing_scratch(scores.logits.dim(1)))},
            .experts = {routing.experts.as<int32_t>() + t * rule.active, active},
            .weights = {routing.weights.as<float>() + t * rule.active, active}},
           rule);
  }
}

void sort_pairs(const Routing& routing) {
  const int64_t pairs = routing.experts.count(), active = routing.experts.dim(1);
  const int64_t experts = routing.offsets.count() - 1;
  const auto* expert_of = routing.experts.as<int32_t>();
  auto* offsets = routing.offsets.as<int32_t>();
  std::fill_n(offsets, experts + 1, 0);
  for (int64_t i = 0; i < pairs; ++i) ++offsets[expert_of[i]];
  // From counts to the end of every range, then filled backwards: what is left is the begin.
  for (int64_t e = 1; e <= experts; ++e) offsets[e] += offsets[e - 1];
  for (int64_t i = pairs; i-- > 0;) {
    const int32_t place = --offsets[expert_of[i]];
    routing.places.as<int32_t>()[i] = place;
    routing.rows.as<int32_t>()[place] = static_cast<int32_t>(i / active);
  }
}

}  // namespace pagoda
