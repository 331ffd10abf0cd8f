#include "tensor/logit_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace pagoda {
namespace {

constexpr size_t kLanes = 16;   // four SSE or NEON registers: enough chains to hide the latency
constexpr size_t kBlock = 256;  // tokens that are looked at together before one is picked out
constexpr float kLowest = -std::numeric_limits<float>::infinity();

// exp(x) for x <= 0, relative error below 2e-7, zero below -87: 2^n exp(r) with |r| <= ln2 / 2, r
// from ln2 in two parts (Cody and Waite, 1980) and exp(r) by its Taylor polynomial to degree 7. The
// library's is right to the last bit, but takes one number at a time.
inline float fast_exp(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float clamped = x > -87.0f ? x : -87.0f;
  const float shifted = clamped * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound) + 127;
  const float result = p * std::bit_cast<float>(exponent << 23);
  return x > -87.0f ? result : 0.0f;
}

float max_of_block(const float* x, size_t n) {
  std::array<float, kLanes> lanes;
  lanes.fill(kLowest);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  }
  float max = kLowest;
  for (; i < n; ++i) max = x[i] > max ? x[i] : max;
  for (const float lane : lanes) max = lane > max ? lane : max;
  return max;
}

// visit(score, id) for every score >= floor(), which may rise on the way. Blocks without one, which
// are nearly all, cost one vector pass.
template <class Floor, class Visit>
void visit_at_least(std::span<const float> row, const Floor& floor, const Visit& visit) {
  for (size_t begin = 0; begin < row.size(); begin += kBlock) {
    const size_t n = std::min(kBlock, row.size() - begin);
    if (max_of_block(row.data() + begin, n) < floor()) continue;
    for (size_t i = begin; i < begin + n; ++i) {
      if (row[i] >= floor()) visit(row[i], static_cast<int32_t>(i));
    }
  }
}

}  // namespace

float max_of(std::span<const float> row) {
  return max_of_block(row.data(), row.size());
}

int32_t argmax_of(std::span<const float> row) {
  float best = kLowest;
  size_t block = 0;
  for (size_t begin = 0; begin < row.size(); begin += kBlock) {
    const float max = max_of_block(row.data() + begin, std::min(kBlock, row.size() - begin));
    if (max > best) {
      best = max;
      block = begin;
    }
  }
  const auto begin = row.begin() + static_cast<std::ptrdiff_t>(block);
  const auto found = std::find(begin, row.end(), best);
  return found == row.end() ? 0 : static_cast<int32_t>(found - row.begin());
}

int64_t count_at_least(std::span<const float> row, float score) {
  int64_t count = 0;
  for (const float x : row) count += x >= score ? 1 : 0;
  return count;
}

double sum_of_exps(std::span<const float> row, float max, float scale) {
  std::array<double, kLanes> lanes = {};
  size_t i = 0;
  for (; i + kLanes <= row.size(); i += kLanes) {
    std::array<float, kLanes> exps;
    for (size_t j = 0; j < kLanes; ++j) exps[j] = fast_exp((row[i + j] - max) * scale);
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += static_cast<double>(exps[j]);
  }
  double sum = 0;
  for (; i < row.size(); ++i) sum += static_cast<double>(fast_exp((row[i] - max) * scale));
  for (const double lane : lanes) sum += lane;
  return sum;
}

void fill_exps(std::span<float> out, std::vector<double>& sums, std::span<const float> row,
               float max, float scale) {
  sums.clear();
  for (size_t begin = 0; begin < row.size(); begin += kRun) {
    const size_t end = std::min(begin + kRun, row.size());
    for (size_t i = begin; i < end; ++i) out[i] = fast_exp((row[i] - max) * scale);
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += static_cast<double>(out[i]);
    sums.push_back(sum);
  }
}

void scores_to_weights(std::span<ScoredId> tokens, float max, float scale) {
  for (ScoredId& token : tokens) token.score = fast_exp((token.score - max) * scale);
}

size_t fill_top(std::span<ScoredId> best, std::span<const float> row) {
  if (best.empty()) return 0;
  auto end = best.begin();  // of a heap, the worst of the best on top
  const auto floor = [&]() -> float {
    if (end < best.end()) return kLowest;
    return best.front().score;
  };
  visit_at_least(row, floor, [&](float score, int32_t id) {
    if (end == best.end()) {
      if (score == best.front().score) return;  // ids only grow: an equal is worse
      std::pop_heap(best.begin(), end--, is_better);
    }
    *end++ = {score, id};
    std::push_heap(best.begin(), end, is_better);
  });
  std::sort(best.begin(), end, is_better);
  return static_cast<size_t>(end - best.begin());
}

void find_top(std::vector<ScoredId>& best, std::span<const float> row, int64_t count) {
  best.resize(std::min(static_cast<size_t>(count), row.size()));
  best.resize(fill_top(best, row));
}

void fill_top(const TopTokens& top, std::span<const float> row, std::span<ScoredId> scratch) {
  const size_t found = fill_top(scratch.first(top.ids.size()), row);
  for (size_t i = 0; i < top.ids.size(); ++i) {
    const ScoredId token = i < found ? scratch[i] : ScoredId{kLowest, -1};
    top.scores[i] = token.score;
    top.ids[i] = token.id;
  }
}

void find_at_least(std::vector<ScoredId>& found, std::span<const float> row, float score) {
  found.clear();
  visit_at_least(
      row, [=] { return score; },
      [&](float x, int32_t id) {
        found.push_back({x, id});
      });
}

}  // namespace pagoda
