// Cases of the ops that find the best tokens of a row of logits.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/conformance_cases.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr Tolerance kExact = {};
constexpr int64_t kRows = 37;

enum Input : uint64_t { kLogits = 3000 };

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// One row of each kind: equals at the top, numbers that are none, all of them, the lowest there is.
void spoil(std::span<float> row, int64_t number) {
  const float nan = std::nanf("");
  switch (number % 6) {
    case 1:
      for (float& x : row) x = std::round(x);
      break;
    case 2:
      for (size_t i = 0; i < row.size(); i += 2) row[i] = nan;
      break;
    case 3: std::fill(row.begin(), row.end(), nan); break;
    case 4:
      std::fill(row.begin(), row.end(), -kInfinity);
      row.front() = nan;
      break;
    case 5: row.back() = kInfinity; break;
    default: break;
  }
}

Tensor upload_logits(Rig& rig, const RowNumbers& rows, int64_t vocab) {
  std::vector<float> logits = random_rows(kLogits, rows, vocab, 4.0f);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto width = static_cast<size_t>(vocab);
    spoil(std::span(logits).subspan(i * width, width), rows[i]);
  }
  return rig.upload({count_of(rows), vocab}, DType::kF32, logits);
}

Case argmax_case(int64_t vocab) {
  return {str("argmax of ", vocab), kExact, kRows, [=](Rig& rig, const RowNumbers& rows) {
            const Tensor ids = rig.unwritten({count_of(rows)}, DType::kI32);
            rig.ops().argmax(ids, upload_logits(rig, rows, vocab));
            return rig.rows(ids);
          }};
}

// Scores, then ids. Infinities have no difference that a tolerance could be held against.
Case top_case(int64_t vocab, int64_t k) {
  return {str("top_k ", k, " of ", vocab), kExact, kRows, [=](Rig& rig, const RowNumbers& rows) {
            const Tensor scores = rig.unwritten({count_of(rows), k}, DType::kF32);
            const Tensor ids = rig.unwritten({count_of(rows), k}, DType::kI32);
            rig.ops().top_k(scores, ids, upload_logits(rig, rows, vocab));
            RowOutputs result = rig.rows(scores);
            const RowOutputs found = rig.rows(ids);
            for (size_t i = 0; i < result.size(); ++i) {
              for (float& x : result[i]) x = std::clamp(x, -1e30f, 1e30f);
              result[i].insert(result[i].end(), found[i].begin(), found[i].end());
            }
            return result;
          }};
}

// Tokens of one step become inputs of the next without a way over the host: two in a row of three.
Case hand_over_case(int64_t vocab) {
  return {str("argmax of ", vocab, " as tokens"), kExact, kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            const Tensor ids = rig.unwritten({n, 1}, DType::kI32);
            rig.ops().argmax(reshaped(ids, {n}), upload_logits(rig, rows, vocab));
            std::vector<int32_t> from, to;
            for (int32_t i = 0; i < n; ++i) {
              from.insert(from.end(), {i, i});
              to.insert(to.end(), {3 * i, 3 * i + 2});
            }
            const Tensor moved = rig.unwritten({2 * n, 1}, DType::kI32);
            rig.ops().gather_rows(moved, ids, rig.upload(from));
            const Tensor tokens = rig.upload(std::vector<int32_t>(static_cast<size_t>(3 * n), 7));
            rig.ops().scatter_rows(reshaped(tokens, {3 * n, 1}), moved, rig.upload(to));
            return rig.rows(reshaped(tokens, {n, 3}));
          }};
}

}  // namespace

void add_sampling_cases(std::vector<Case>& cases) {
  // Fewer than a vector, odd ends, one block of a scan and a little, a whole vocabulary.
  for (const int64_t vocab : {1, 5, 67, 300, 32003}) {
    cases.push_back(argmax_case(vocab));
    cases.push_back(top_case(vocab, 1));
    cases.push_back(top_case(vocab, 20));
  }
  cases.push_back(top_case(1030, 600));
  cases.push_back(hand_over_case(67));
}

}  // namespace pagoda
