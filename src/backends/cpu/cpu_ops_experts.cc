// The ops of mixtures of experts, and products of single heads.
#include <algorithm>
#include <cmath>

#include "backends/cpu/cpu_ops.h"
#include "base/must.h"

namespace pagoda::cpu {
namespace {

// Columns summed at a time, on the stack.
constexpr int64_t kPieceColumns = 1024;
// Tokens whose experts one thread chooses: a softmax over 128 experts is about 1 us.
constexpr int64_t kRoutedTokens = 8;

// Columns [column, column + width) of a row, in float.
struct Piece {
  int64_t column, width;
};

std::byte* number_at(Tensor t, int64_t row, int64_t column) {
  return t.as<std::byte>() + (row * t.dim(1) + column) * bytes_of(t.dtype);
}

}  // namespace

void CpuOps::route(const Routing& routing, const RouterScores& scores, const RoutingRule& rule) {
  MUST(scores.logits.dtype == DType::kF32 && routing.weights.dtype == DType::kF32);
  MUST(routing.experts.dim(1) == rule.active);
  const int64_t tokens = scores.logits.dim(0), floats = routing_scratch(scores.logits.dim(1));
  float* scratch = scratch_.carve<Values<float>>(team_.size() * floats).data;
  team_.for_chunks(tokens, kRoutedTokens, [&](int64_t begin, int64_t end, int worker) {
    choose_experts(routing, scores, rule, {begin, end}, scratch + worker * floats);
  });
  sort_pairs(routing);
}

void CpuOps::matmul_experts(const ExpertProduct& call) {
  const auto& weights = static_cast<const PackedMatrix&>(call.weights);
  const MatrixSpec& spec = weights.spec();
  MUST(call.x.dtype == spec.dtype && call.out.dtype == spec.dtype);
  MUST(call.x.dim(1) == spec.in && call.out.dim(1) == spec.out);
  MUST(call.first + spec.count < call.offsets.count());
  grouped_matmul({.out = call.out,
                  .x = call.x,
                  .weight = weights,
                  .offsets = call.offsets.as<int32_t>() + call.first,
                  .sources = call.rows.empty() ? nullptr : call.rows.as<int32_t>()},
                 kernels_, team_, scratch_);
}

void CpuOps::matmul_heads(Tensor out, Tensor x, const Matrix& weight) {
  const auto& weights = static_cast<const PackedMatrix&>(weight);
  const MatrixSpec& spec = weights.spec();
  MUST(x.dtype == spec.dtype && out.dtype == spec.dtype && out.dim(0) == x.dim(0));
  MUST(x.dim(1) == spec.count && out.dim(1) == spec.count);
  MUST(x.dim(2) >= spec.in && out.dim(2) >= spec.out);
  grouped_matmul({.out = out, .x = x, .weight = weights}, kernels_, team_, scratch_);
}

void CpuOps::combine_experts(Tensor out, Tensor y, const Routing& routing, int64_t first,
                             int64_t count) {
  const int64_t active = routing.experts.dim(1), hidden = out.dim(1);
  MUST(out.dtype == y.dtype && y.dim(1) == hidden && out.dim(0) == routing.experts.dim(0));
  const NumberKernels& kernels = kernels_of(out.dtype);
  const auto* experts = routing.experts.as<int32_t>();
  const auto combine = [&](int64_t token, Piece piece) {
    float sums[kPieceColumns] = {}, row[kPieceColumns];
    for (int64_t pair = token * active; pair < (token + 1) * active; ++pair) {
      if (experts[pair] < first || experts[pair] >= first + count) continue;
      const float weight = routing.weights.as<float>()[pair];
      kernels.widen(row, number_at(y, routing.places.as<int32_t>()[pair], piece.column),
                    piece.width);
      for (int64_t j = 0; j < piece.width; ++j) sums[j] += weight * row[j];
    }
    kernels.narrow(number_at(out, token, piece.column), sums, piece.width);
  };
  const int64_t pieces = (hidden + kPieceColumns - 1) / kPieceColumns;
  for_rows(out.dim(0) * pieces, active * kPieceColumns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i % pieces * kPieceColumns;
      combine(i / pieces, {column, std::min(kPieceColumns, hidden - column)});
    }
  });
}

void CpuOps::gate_rows(Tensor inout, Tensor gates) {
  MUST(gates.dtype == DType::kF32 && gates.count() == inout.dim(0));
  const int64_t columns = inout.dim(1);
  const NumberKernels& kernels = kernels_of(inout.dtype);
  const auto gate_row = [&](int64_t row) {
    const float factor = 1.0f / (1.0f + std::exp(-gates.as<float>()[row]));
    float piece[kPieceColumns];
    for (int64_t column = 0; column < columns; column += kPieceColumns) {
      const int64_t width = std::min(kPieceColumns, columns - column);
      kernels.widen(piece, number_at(inout, row, column), width);
      for (int64_t j = 0; j < width; ++j) piece[j] *= factor;
      kernels.narrow(number_at(inout, row, column), piece, width);
    }
  };
  for_rows(inout.dim(0), columns, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) gate_row(row);
  });
}

}  // namespace pagoda::cpu
