// What every backend must be able to do, as cases: each runs one op (or a few that belong together)
// on a device, over rows that do not depend on each other.
//
// A row's inputs are a function of the row's number alone. So a backend is right if it computes
// what `ref` computes, and batch-invariant if a row's output is the same bits in whatever company
// it runs, including alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/workspace.h"

namespace pagoda {

// A number may differ from the reference's by relative * |expected| + of_rms * rms(expected).
struct Tolerance {
  double relative = 0.0, of_rms = 0.0;
};

// A device, and memory of it for one run.
class Rig {
 public:
  explicit Rig(Device& device);

  Ops& ops() { return device_.ops(); }
  Device& device() { return device_; }

  // Rounded to the dtype.
  Tensor upload(std::initializer_list<int64_t> shape, DType dtype,
                const std::vector<float>& values);
  Tensor upload(const std::vector<int32_t>& values);  // i32 [n]
  // Every byte 0xFF: a float that is not written stays NaN.
  Tensor unwritten(std::initializer_list<int64_t> shape, DType dtype);
  // The same values on every device, as spec.format has them. Kept as long as the rig.
  const Matrix& matrix(const MatrixSpec& spec, const std::vector<float>& values);
  // As [dim(0)] rows; i32 as floats.
  std::vector<std::vector<float>> rows(Tensor t);

 private:
  Device& device_;
  Workspace memory_;
  std::vector<std::unique_ptr<Matrix>> matrices_;
};

using RowNumbers = std::vector<int64_t>;
using RowOutputs = std::vector<std::vector<float>>;  // one a row
using RunRows = std::function<RowOutputs(Rig& rig, const RowNumbers& rows)>;

struct Case {
  std::string name;
  Tolerance tolerance;
  int64_t rows;  // how many there are; their numbers are 0, 1, ...
  RunRows run;
  std::vector<RunRows> equals = {};  // other ways to the same bits
};

std::vector<Case> conformance_cases();

// Parts of conformance_cases(), a file each.
void add_row_cases(std::vector<Case>& cases);
void add_matrix_cases(std::vector<Case>& cases);
void add_attention_cases(std::vector<Case>& cases);
void add_expert_cases(std::vector<Case>& cases);
void add_sampling_cases(std::vector<Case>& cases);

// In [-scale, scale), a function of (what, row, column).
float random_number(uint64_t what, int64_t row, int64_t column, float scale = 1.0f);
// [rows, columns] of random numbers.
std::vector<float> random_rows(uint64_t what, const RowNumbers& rows, int64_t columns,
                               float scale = 1.0f);
RowNumbers first_rows(int64_t count);
int64_t count_of(const RowNumbers& rows);
// What one rounding to this dtype, of a sum taken in f32 in any order, may change.
Tolerance rounding_of(DType dtype);
// The same where a device may also round weights of this format to the dtype.
Tolerance widening_of(const WeightFormat& format, DType dtype);

// One of every kind of values with scales, over rows of `in` columns.
std::vector<WeightFormat> quantized_formats(int64_t in);

constexpr DType kFloatTypes[] = {DType::kF32, DType::kBF16, DType::kF16};

}  // namespace pagoda
