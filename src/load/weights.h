// Weights of one module, found by the name the checkpoint gives them, as this rank holds them.
//
// Names and shapes are one statement: (w / "down_proj").matrix({hidden, ffn}, w.whole(hidden),
// w.share(ffn)) finds, checks, takes this rank's part, and has the device pack it. A tensor that is
// missing or of another shape throws kCheckpoint with file, tensor, found and expected shape.
//
// Thread rule: the thread of its rank, while loading. What is returned lives as long as the
// WeightStore.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/matrix.h"
#include "tensor/part.h"
#include "tensor/tensor.h"

namespace pagoda {

class WeightStore;

class Weights {
 public:
  Weights(WeightStore& store, std::string scope) : store_(&store), scope_(std::move(scope)) {}

  // `weights / "mlp" / "down_proj"` names mlp.down_proj.
  Weights operator/(std::string_view child) const;

  // The weight of <scope> [shape], however its scheme stores it, this rank's part of it, as this
  // rank's device keeps it. The same name and parts give the same Matrix, so a tied embedding is
  // kept once. Of more than two dimensions, as a convolution has them, all but the first make a
  // row.
  const Matrix& matrix(std::initializer_list<int64_t> shape, const Part& rows,
                       const Part& columns) const;
  // All columns of these rows.
  const Matrix& matrix(std::initializer_list<int64_t> shape, const Part& rows) const;

  // Children whose matrices (or biases) are stacked along the rows: q, k, v or gate, up. Where a
  // file has them in one tensor, the bands are of one name, each with its part of the rows.
  struct Band {
    std::string_view name;  // of the child
    int64_t rows;           // in the file
    Part part;
  };
  // The fewest matrices that hold these bands in order: one, unless neighbors are of formats that
  // cannot stand in one panel.
  std::vector<const Matrix*> stacked(const std::vector<Band>& bands, int64_t columns) const;
  // <scope>.<name>.bias one after another: f32 [sum of parts].
  Tensor stacked_bias(const std::vector<Band>& bands) const;

  // Matrices of one shape, each of stacked bands: matrix i is of <scope>.<numbers[i]>.<name>, the
  // experts of a layer. Of the file's columns this rank takes `part`. Where formats differ they are
  // kept as floats.
  const Matrix& numbered(std::span<const int64_t> numbers, const std::vector<Band>& bands,
                         int64_t columns, const Part& part) const;
  // Matrices cut out of one tensor, the heads of a projection: matrix i is the rows slices[i] of
  // the weight of <scope> [shape]. All slices are of one size.
  const Matrix& sliced(std::initializer_list<int64_t> shape, std::span<const Part> slices) const;
  // The same, each with rows and columns exchanged, as floats.
  const Matrix& sliced_transposed(std::initializer_list<int64_t> shape,
                                  std::span<const Part> slices) const;

  // <scope>.weight as f32 [size], `plus` added to each: some gains are stored less 1.
  Tensor vector(int64_t size, float plus = 0.0f) const;
  Tensor vector(std::string_view tensor, int64_t size) const;  // <scope>.<tensor>, as it is
  Tensor vector(std::string_view tensor, int64_t size, const Part& part) const;  // this rank's part
  Tensor bias(int64_t size, const Part& part) const;  // <scope>.bias as f32 [part.size()]
  // <scope>.<tensor> is in the checkpoint. Random weights have every tensor, so what config.json
  // can tell is asked there.
  bool has(std::string_view tensor) const;

  // Nothing below <scope> is for this model, and that is no mistake: it does not count as unused.
  // Returns how many tensors that are; 0 for random weights, which have no list of names.
  int64_t ignore() const;

  // Memory of this rank's device for a table that the model computes: f32, copied in.
  Tensor constant(std::initializer_list<int64_t> shape, const float* values) const;

  Part whole(int64_t size) const { return whole_part(size); }
  Part share(int64_t units, int64_t unit = 1) const {
    return share_part(units, unit, rank(), ranks());
  }
  // The columns of <scope>'s weight that are this rank's where its `size` inputs are dealt: cut
  // between the groups that share a scale.
  Part share_inputs(int64_t size) const;
  int rank() const;
  int ranks() const;
  DType dtype() const;  // of the activations
  // Ranks hold whole experts, not a share of each.
  bool expert_parallel() const;

 private:
  WeightStore* store_;
  std::string scope_;
};

}  // namespace pagoda
