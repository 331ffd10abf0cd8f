// Which experts of a mixture a token goes through, and with what weights.
//
// Thread rule: pure functions over host memory.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace pagoda {

enum class ExpertScore : uint8_t { kSoftmax, kSigmoid };
// What a group of experts is judged by: its best expert, or the sum of its two best.
enum class GroupScore : uint8_t { kBest, kSumOfTwoBest };

// score = softmax or sigmoid of the router's numbers; rank = score + correction (if there is one).
// Experts lie in `groups` of equal size, of which the `active_groups` with the highest group score
// (over ranks) take part; of their experts the `active` with the highest rank are chosen, equals in
// order of their numbers. weight = scale * score, divided by the sum of the chosen scores if
// `normalize`. The correction does not enter the weights.
//
// Qwen-MoE: softmax, one group (transformers v4.51, Qwen3MoeSparseMoeBlock). DeepSeek-V2: softmax,
// groups by their best expert (arXiv:2405.04434, section 2.2.2). DeepSeek-V3: sigmoid with
// correction, groups by their two best (arXiv:2412.19437, eq. 13 to 16).
struct RoutingRule {
  int64_t active = 1;  // experts a token
  ExpertScore score = ExpertScore::kSoftmax;
  int64_t groups = 1, active_groups = 1;  // groups divides the number of experts
  GroupScore group_score = GroupScore::kBest;
  bool normalize = false;
  float scale = 1.0f;
};

// Experts of all tokens of a step. A pair is a token and one of its choices; pairs are sorted by
// expert, those of an expert in order of tokens.
struct Routing {
  Tensor experts;  // i32 [tokens, active], best first
  Tensor weights;  // f32 [tokens, active]
  Tensor places;   // i32 [tokens, active], where in the sorted order a pair is
  Tensor rows;     // i32 [tokens * active], the token of each sorted pair
  Tensor offsets;  // i32 [experts + 1], range of each expert's pairs
};

// What the router says.
struct RouterScores {
  Tensor logits;      // f32 [tokens, experts]
  Tensor correction;  // f32 [experts], or empty
};

// Fills experts and weights of tokens [begin, end); all on the host.
struct TokenRange {
  int64_t begin, end;
};
constexpr int64_t routing_scratch(int64_t experts) {
  return 3 * experts;
}
// `scratch` has routing_scratch() floats.
void choose_experts(const Routing& routing, const RouterScores& scores, const RoutingRule& rule,
                    TokenRange tokens, float* scratch);

// Fills places, rows and offsets from experts; all on the host.
void sort_pairs(const Routing& routing);

}  // namespace pagoda
