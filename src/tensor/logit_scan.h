// Passes over one row of logits, each as long as the vocabulary: what makes sampling fast or slow.
//
// Results depend on the row alone, so they are the same bits in any batch. Written in lanes that
// the compiler turns into vectors without being allowed to reorder sums. A NaN is never chosen
// while there is another number. Lists come from the caller, who keeps their memory.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pagoda {

struct ScoredId {
  float score;
  int32_t id;
};
// Best first; of equals the smaller id.
constexpr bool is_better(const ScoredId& a, const ScoredId& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

float max_of(std::span<const float> row);
// The smallest id that has the largest score; 0 where nothing compares.
int32_t argmax_of(std::span<const float> row);
// How many scores are at least `score`.
int64_t count_at_least(std::span<const float> row, float score);

// Sum of exp((row - max) * scale), in double.
double sum_of_exps(std::span<const float> row, float max, float scale = 1.0f);
// out[i] = exp((row[i] - max) * scale); sums becomes those of runs of kRun numbers.
constexpr int64_t kRun = 1024;
void fill_exps(std::span<float> out, std::vector<double>& sums, std::span<const float> row,
               float max, float scale);

// Every score becomes exp((score - max) * scale).
void scores_to_weights(std::span<ScoredId> tokens, float max, float scale);

// The best tokens, best first, as many as `best` has room for; returns how many there are.
size_t fill_top(std::span<ScoredId> best, std::span<const float> row);
// `best` becomes the best `count` tokens; fewer where the row is shorter.
void find_top(std::vector<ScoredId>& best, std::span<const float> row, int64_t count);

// The best tokens as two arrays of the same length; places that are left get -infinity and -1.
struct TopTokens {
  std::span<float> scores;
  std::span<int32_t> ids;
};
// `scratch` is at least as long.
void fill_top(const TopTokens& top, std::span<const float> row, std::span<ScoredId> scratch);
// `found` becomes all tokens with at least this score, by id.
void find_at_least(std::vector<ScoredId>& found, std::span<const float> row, float score);

}  // namespace pagoda
