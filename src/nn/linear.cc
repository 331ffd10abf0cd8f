#include "nn/linear.h"

#include <numeric>

namespace pagoda {
namespace {

std::vector<int64_t> numbers_of(ExpertRange experts) {
  std::vector<int64_t> numbers(static_cast<size_t>(experts.count));
  std::iota(numbers.begin(), numbers.end(), experts.first);
  return numbers;
}

}  // namespace

ColumnLinear::ColumnLinear(const Weights& w, std::initializer_list<int64_t> shape,
                           const Part& outputs, Bias bias)
    : weight_(w.matrix(shape, outputs)) {
  if (bias == Bias::kPresent) bias_ = w.bias(*shape.begin(), outputs);
}

void ColumnLinear::operator()(Step& step, Tensor out, Tensor x) const {
  step.ops.matmul(out, x, weight_, bias_);
}

RowLinear::RowLinear(const Weights& w, std::initializer_list<int64_t> shape, const Part& inputs,
                     Bias bias)
    : weight_(w.matrix(shape, w.whole(*shape.begin()), inputs)) {
  const int64_t out = *shape.begin();
  if (bias == Bias::kPresent && w.rank() == 0) bias_ = w.bias(out, w.whole(out));
}

void RowLinear::operator()(Step& step, Tensor out, Tensor x) const {
  step.ops.matmul(out, x, weight_, bias_);
  if (step.tensor_parallel.size() > 1) step.tensor_parallel.all_reduce_sum(out);
}

StackedLinear::StackedLinear(const Weights& w, const std::vector<Weights::Band>& bands, int64_t in,
                             Bias bias) {
  Tensor biases;
  if (bias == Bias::kPresent) biases = w.stacked_bias(bands);
  int64_t first = 0;
  for (const Matrix* weight : w.stacked(bands, in)) {
    const int64_t rows = weight->spec().out;
    const Tensor mine = bias == Bias::kPresent ? rows_of(biases, first, rows) : Tensor{};
    products_.push_back({.weight = weight, .bias = mine, .first = first});
    first += rows;
  }
}

void StackedLinear::operator()(Step& step, Tensor out, Tensor x) const {
  if (products_.size() == 1) {
    step.ops.matmul(out, x, *products_.front().weight, products_.front().bias);
    return;
  }
  for (const Product& product : products_) {
    const ScratchScope scope(step.scratch);
    const Tensor part = step.scratch.make({x.dim(0), product.weight->spec().out}, out.dtype);
    step.ops.matmul(part, x, *product.weight, product.bias);
    step.ops.paste_columns(out, part, product.first);
  }
}

ExpertLinear::ExpertLinear(const Weights& w, ExpertRange experts,
                           const std::vector<Weights::Band>& bands, int64_t in, const Part& inputs)
    : first_(experts.first), weights_(w.numbered(numbers_of(experts), bands, in, inputs)) {}

void ExpertLinear::operator()(Step& step, Tensor out, Tensor x, const ExpertRows& rows) const {
  step.ops.matmul_experts({.out = out,
                           .x = x,
                           .weights = weights_,
                           .offsets = rows.offsets,
                           .rows = rows.rows,
                           .first = first_});
}

HeadLinear::HeadLinear(const Weights& w, std::initializer_list<int64_t> shape,
                       std::span<const Part> heads, Form form)
    : weights_(form == Form::kTransposed ? w.sliced_transposed(shape, heads)
                                         : w.sliced(shape, heads)) {}

void HeadLinear::operator()(Step& step, Tensor out, Tensor x) const {
  step.ops.matmul_heads(out, x, weights_);
}

}  // namespace pagoda
