#include "nn/embedding.h"

namespace pagoda {

Embedding::Embedding(const Weights& w, int64_t vocab, int64_t hidden)
    : vocab_(vocab),
      hidden_(hidden),
      rows_(w.share(vocab).size()),
      first_(w.rank() * rows_),
      table_(w, {vocab, hidden}, w.share(vocab)) {}

Tensor Embedding::lookup(Step& step, Tensor ids) const {
  const Tensor out = step.scratch.make({ids.dim(0), hidden_});
  step.ops.gather_rows(out, table_.weight(), ids, first_);
  // One rank has the row, the others zeros: the sum is exact.
  if (step.tensor_parallel.size() > 1) step.tensor_parallel.all_reduce_sum(out);
  return out;
}

Tensor Embedding::logits(Step& step, Tensor x) const {
  const int64_t rows = x.dim(0), ranks = step.tensor_parallel.size();
  const Tensor out = step.scratch.make({rows, vocab_}, DType::kF32);
  if (ranks == 1) {
    table_(step, out, x);
    return out;
  }
  const ScratchScope scope(step.scratch);
  const Tensor mine = step.scratch.make({rows, rows_}, DType::kF32);
  const Tensor parts = step.scratch.make({ranks, rows, rows_}, DType::kF32);
  table_(step, mine, x);
  step.tensor_parallel.all_gather(parts, mine);
  step.ops.join_columns(out, parts);
  return out;
}

}  // namespace pagoda
