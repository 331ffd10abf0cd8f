// Products with one matrix of several: experts and heads.
#include <algorithm>

#include "backends/ref/ref_matrix.h"
#include "backends/ref/ref_ops.h"
#include "backends/ref/rows.h"
#include "base/must.h"

namespace pagoda::ref {
namespace {

// x weights[index]^T, rounded to `dtype`.
std::vector<float> product(const std::vector<float>& x, const RefMatrix& weights, int64_t index,
                           DType dtype) {
  std::vector<float> out;
  for (int64_t j = 0; j < weights.spec().out; ++j) {
    const float* row = weights.row(index, j);
    float sum = 0.0f;
    for (int64_t i = 0; i < weights.spec().in; ++i) sum += x[static_cast<size_t>(i)] * row[i];
    out.push_back(rounded(dtype, sum));
  }
  return out;
}

}  // namespace

void RefOps::route(const Routing& routing, const RouterScores& scores, const RoutingRule& rule) {
  const int64_t tokens = scores.logits.dim(0), experts = scores.logits.dim(1);
  std::vector<float> scratch(static_cast<size_t>(routing_scratch(experts)));
  choose_experts(routing, scores, rule, {0, tokens}, scratch.data());
  sort_pairs(routing);
}

void RefOps::matmul_experts(const ExpertProduct& call) {
  const auto& weights = static_cast<const RefMatrix&>(call.weights);
  const auto* offsets = call.offsets.as<int32_t>() + call.first;
  MUST(call.x.dim(1) == weights.spec().in && call.out.dim(1) == weights.spec().out);
  MUST(call.first + weights.spec().count < call.offsets.count());
  for (int64_t e = 0; e < weights.spec().count; ++e) {
    for (int64_t i = offsets[e]; i < offsets[e + 1]; ++i) {
      const int64_t source = call.rows.empty() ? i : call.rows.as<int32_t>()[i];
      write_row(call.out, i, product(read_row(call.x, source), weights, e, call.out.dtype));
    }
  }
}

void RefOps::combine_experts(Tensor out, Tensor y, const Routing& routing, int64_t first,
                             int64_t count) {
  const int64_t active = routing.experts.dim(1);
  MUST(out.dim(1) == y.dim(1) && out.dim(0) == routing.experts.dim(0));
  for (int64_t t = 0; t < out.dim(0); ++t) {
    std::vector<float> sum(static_cast<size_t>(out.dim(1)));
    for (int64_t pair = t * active; pair < (t + 1) * active; ++pair) {
      const int64_t expert = routing.experts.as<int32_t>()[pair];
      if (expert < first || expert >= first + count) continue;
      const std::vector<float> row = read_row(y, routing.places.as<int32_t>()[pair]);
      const float weight = routing.weights.as<float>()[pair];
      for (size_t j = 0; j < sum.size(); ++j) sum[j] += weight * row[j];
    }
    write_row(out, t, sum);
  }
}

void RefOps::matmul_heads(Tensor out, Tensor x, const Matrix& weight) {
  const auto& weights = static_cast<const RefMatrix&>(weight);
  const int64_t heads = weights.spec().count;
  MUST(x.dim(1) == heads && out.dim(1) == heads && out.dim(0) == x.dim(0));
  MUST(x.dim(2) >= weights.spec().in && out.dim(2) >= weights.spec().out);
  for (int64_t i = 0; i < x.dim(0) * heads; ++i) {
    const std::vector<float> result = product(read_row(x, i), weights, i % heads, out.dtype);
    std::vector<float> row = read_row(out, i);
    std::copy(result.begin(), result.end(), row.begin());
    write_row(out, i, row);
  }
}

}  // namespace pagoda::ref
