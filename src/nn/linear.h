// Projections: each owns its matrix and its bias, and knows which share of it this rank holds. All
// products with weights, in nn/ and in models/, go through one of these.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "load/weights.h"
#include "nn/step.h"

namespace pagoda {

enum class Bias : bool { kNone, kPresent };
// How a checkpoint has projections of the same inputs: each a tensor, or all rows of one.
enum class Storage : uint8_t { kApart, kFused };

// The outputs are dealt over the ranks, or every rank has all of them; inputs are whole.
class ColumnLinear {
 public:
  // <w>.weight [shape], of which this rank takes the rows `outputs`; <w>.bias likewise. Of more
  // than two dimensions, as a convolution has them, all but the first make a row.
  ColumnLinear(const Weights& w, std::initializer_list<int64_t> shape, const Part& outputs,
               Bias bias = Bias::kNone);

  // x [tokens, in], out [tokens, outputs()] of x's dtype or f32.
  void operator()(Step& step, Tensor out, Tensor x) const;
  int64_t outputs() const { return weight_.spec().out; }
  // For what is not a product: looking up rows of an embedding.
  const Matrix& weight() const { return weight_; }

 private:
  const Matrix& weight_;
  Tensor bias_;  // f32 [outputs()], or empty
};

// The inputs are dealt over the ranks: each multiplies its share, then they add up.
class RowLinear {
 public:
  // <w>.weight [shape], of which this rank takes the columns `inputs`.
  RowLinear(const Weights& w, std::initializer_list<int64_t> shape, const Part& inputs, Bias bias);

  // x [tokens, inputs.size()], out [tokens, out], the same on every rank.
  void operator()(Step& step, Tensor out, Tensor x) const;

 private:
  const Matrix& weight_;
  Tensor bias_;  // f32 [out] on rank 0, so that the sum has it once; empty elsewhere
};

// Several ColumnLinear of the same inputs, whose outputs lie side by side: queries, keys and
// values, or gate and up. In one tensor of the file, or in several.
class StackedLinear {
 public:
  // Bands of <w>.<name>.weight [rows, in], one after another; their biases likewise.
  StackedLinear(const Weights& w, const std::vector<Weights::Band>& bands, int64_t in, Bias bias);

  // x [tokens, in], out [tokens, sum of the parts] of x's dtype.
  void operator()(Step& step, Tensor out, Tensor x) const;

 private:
  // Neighboring bands that stand in one matrix: nearly always all of them.
  struct Product {
    const Matrix* weight;
    Tensor bias;    // f32 [its rows], or empty
    int64_t first;  // of its columns in out
  };
  std::vector<Product> products_;
};

// Rows of x that each expert of a layer gets, as Routing has them.
struct ExpertRows {
  Tensor offsets;    // i32 [all experts + 1]
  Tensor rows = {};  // i32 [pairs]; empty: x has one row a pair
};

// Experts [first, first + count) of a layer.
struct ExpertRange {
  int64_t first, count;
};

// One projection an expert, all of one shape, each stacked as above: <w>.<number>.<name>.weight.
class ExpertLinear {
 public:
  // `experts` of this rank, not none. Of the file's `in` columns it takes `inputs`.
  ExpertLinear(const Weights& w, ExpertRange experts, const std::vector<Weights::Band>& bands,
               int64_t in, const Part& inputs);

  // x [any, inputs.size()], out [pairs, outputs]: rows of these experts; the others keep what they
  // had.
  void operator()(Step& step, Tensor out, Tensor x, const ExpertRows& rows) const;

 private:
  int64_t first_;
  const Matrix& weights_;
};

// One projection a head, cut out of one tensor: head i is the rows heads[i] of <w>.weight [out,
// in], multiplied as they are, or transposed.
class HeadLinear {
 public:
  enum class Form : bool { kAsStored, kTransposed };
  HeadLinear(const Weights& w, std::initializer_list<int64_t> shape, std::span<const Part> heads,
             Form form);

  // As Ops::matmul_heads.
  void operator()(Step& step, Tensor out, Tensor x) const;

 private:
  const Matrix& weights_;
};

}  // namespace pagoda
