// Token embedding and output projection; the same Matrix where they are tied. The rows of the
// vocabulary are dealt over the ranks.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include "nn/linear.h"

namespace pagoda {

class Embedding {
 public:
  Embedding(const Weights& w, int64_t vocab, int64_t hidden);

  // ids i32 [n] -> [n, hidden] on every rank.
  Tensor lookup(Step& step, Tensor ids) const;
  // x [rows, hidden] -> f32 [rows, vocab] on every rank.
  Tensor logits(Step& step, Tensor x) const;

 private:
  int64_t vocab_;
  int64_t hidden_;
  int64_t rows_;   // of this rank, the padding included
  int64_t first_;  // the token of this rank's first row
  ColumnLinear table_;
};

}  // namespace pagoda
