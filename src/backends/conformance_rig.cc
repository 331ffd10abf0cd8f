#include <algorithm>
#include <cstring>
#include <numeric>

#include "backends/conformance_cases.h"
#include "backends/conformance_panels.h"
#include "base/must.h"
#include "base/rng.h"

namespace pagoda {
namespace {

constexpr int64_t kMemoryBytes = int64_t{1} << 27;

std::vector<std::byte> encoded(DType dtype, const std::vector<float>& values) {
  if (dtype == DType::kBF16) return encoded(Encoding::kBF16, values);
  if (dtype == DType::kF16) return encoded(Encoding::kF16, values);
  MUST(dtype == DType::kF32);
  return encoded(Encoding::kF32, values);
}

template <class Number>
std::vector<float> decode(const std::vector<std::byte>& bytes) {
  std::vector<float> values;
  for (size_t i = 0; i < bytes.size(); i += sizeof(Number)) {
    Number x;
    std::memcpy(&x, bytes.data() + i, sizeof(Number));
    if constexpr (std::is_integral_v<Number>) {
      values.push_back(static_cast<float>(x));
    } else {
      values.push_back(to_float(x));
    }
  }
  return values;
}

std::vector<float> decoded(DType dtype, const std::vector<std::byte>& bytes) {
  if (dtype == DType::kBF16) return decode<BFloat16>(bytes);
  if (dtype == DType::kF16) return decode<Float16>(bytes);
  if (dtype == DType::kI32) return decode<int32_t>(bytes);
  MUST(dtype == DType::kF32);
  return decode<float>(bytes);
}

}  // namespace

Rig::Rig(Device& device) : device_(device), memory_(device.allocate(kMemoryBytes), DType::kF32) {}

Tensor Rig::upload(std::initializer_list<int64_t> shape, DType dtype,
                   const std::vector<float>& values) {
  const Tensor t = memory_.make(shape, dtype);
  MUST(t.count() == static_cast<int64_t>(values.size()));
  if (!t.empty()) device_.copy_in(t, encoded(dtype, values).data());
  return t;
}

Tensor Rig::upload(const std::vector<int32_t>& values) {
  const Tensor t = memory_.make({static_cast<int64_t>(values.size())}, DType::kI32);
  if (!t.empty()) device_.copy_in(t, values.data());
  return t;
}

Tensor Rig::unwritten(std::initializer_list<int64_t> shape, DType dtype) {
  const Tensor t = memory_.make(shape, dtype);
  const std::vector<std::byte> bytes(static_cast<size_t>(t.bytes()), std::byte{0xFF});
  if (!t.empty()) device_.copy_in(t, bytes.data());
  return t;
}

const Matrix& Rig::matrix(const MatrixSpec& spec, const std::vector<float>& values) {
  matrices_.push_back(device_.make_matrix(spec, MemoryPanels(spec, values)));
  return *matrices_.back();
}

std::vector<std::vector<float>> Rig::rows(Tensor t) {
  std::vector<std::byte> bytes(static_cast<size_t>(t.bytes()));
  device_.synchronize();
  if (!t.empty()) device_.copy_out(bytes.data(), t);
  const std::vector<float> values = decoded(t.dtype, bytes);
  std::vector<std::vector<float>> rows;
  const int64_t width = t.dim(0) == 0 ? 0 : t.count() / t.dim(0);
  for (int64_t i = 0; i < t.dim(0); ++i) {
    rows.emplace_back(values.begin() + i * width, values.begin() + (i + 1) * width);
  }
  return rows;
}

float random_number(uint64_t what, int64_t row, int64_t column, float scale) {
  const double x = uniform_from(what, static_cast<uint64_t>(column), static_cast<uint64_t>(row));
  return scale * static_cast<float>(2.0 * x - 1.0);
}

std::vector<float> random_rows(uint64_t what, const RowNumbers& rows, int64_t columns,
                               float scale) {
  std::vector<float> values;
  values.reserve(rows.size() * static_cast<size_t>(columns));
  for (const int64_t row : rows) {
    for (int64_t j = 0; j < columns; ++j) values.push_back(random_number(what, row, j, scale));
  }
  return values;
}

RowNumbers first_rows(int64_t count) {
  RowNumbers rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

int64_t count_of(const RowNumbers& rows) {
  return static_cast<int64_t>(rows.size());
}

Tolerance rounding_of(DType dtype) {
  // f32: sums of a thousand products in another order differ by about 1e-6 of their size.
  constexpr double kSumsInAnotherOrder = 1e-5;
  // 16 bits: where those straddle a rounding border, the results are one unit apart.
  constexpr double kUnitOfBFloat16 = 0x1p-7, kUnitOfFloat16 = 0x1p-10;
  // Subnormal float16 numbers are spaced 2^-24 apart, whatever their size.
  switch (dtype) {
    case DType::kBF16: return {.relative = kUnitOfBFloat16, .of_rms = kSumsInAnotherOrder};
    case DType::kF16: return {.relative = kUnitOfFloat16, .of_rms = kSumsInAnotherOrder};
    default: return {.relative = 0.0, .of_rms = kSumsInAnotherOrder};
  }
}

Tolerance widening_of(const WeightFormat& format, DType dtype) {
  Tolerance tolerance = rounding_of(dtype);
  // Half a unit of every weight is off, and of thousands of such sums the worst is five times as
  // far off as is usual.
  if (format.is_quantized()) tolerance.of_rms += 2.0 * tolerance.relative;
  return tolerance;
}

std::vector<WeightFormat> quantized_formats(int64_t in) {
  return {
      {.values = Encoding::kF8E4M3, .group = 128},
      {.values = Encoding::kF8E4M3, .scales = Encoding::kBF16},
      {.values = Encoding::kInt4, .group = 32, .scales = Encoding::kF16},
      {.values = Encoding::kInt4, .group = 16, .scales = Encoding::kBF16, .has_zeros = true},
      {.values = Encoding::kInt4, .group = 128, .ordered_groups = (in + 127) / 128 + 1},
      {.values = Encoding::kInt8},
      {.values = Encoding::kInt8, .group = 64, .scales = Encoding::kF16, .has_zeros = true},
      {.values = Encoding::kInt8,
       .scales = Encoding::kBF16,
       .has_zeros = true,
       .ordered_groups = 3},
  };
}

std::vector<Case> conformance_cases() {
  std::vector<Case> cases;
  add_row_cases(cases);
  add_matrix_cases(cases);
  add_attention_cases(cases);
  add_expert_cases(cases);
  add_sampling_cases(cases);
  return cases;
}

}  // namespace pagoda
