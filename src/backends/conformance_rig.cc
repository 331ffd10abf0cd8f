#include <algorithm>
#include <cstring>
#include <numeric>

#include "backends/conformance_cases.h"
#include "base/must.h"
#include "base/rng.h"

namespace pagoda {
namespace {

constexpr int64_t kMemoryBytes = int64_t{1} << 27;

template <class Float>
void encode(std::byte* out, const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Float x = from_float<Float>(values[i]);
    std::memcpy(out + i * sizeof(Float), &x, sizeof(Float));
  }
}

std::vector<std::byte> encoded(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * static_cast<size_t>(bytes_of(dtype)));
  if (dtype == DType::kF32) encode<float>(bytes.data(), values);
  if (dtype == DType::kBF16) encode<BFloat16>(bytes.data(), values);
  if (dtype == DType::kF16) encode<Float16>(bytes.data(), values);
  return bytes;
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

DType dtype_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF32: return DType::kF32;
    case Encoding::kF16: return DType::kF16;
    case Encoding::kBF16: return DType::kBF16;
  }
  return DType::kF32;
}

// Panels of a matrix in memory, handed out by way of scratch, as a file of another dtype would.
class MemoryReader final : public PanelReader {
 public:
  MemoryReader(const MatrixSpec& spec, const std::vector<float>& values)
      : spec_(spec),
        row_bytes_(spec.in * bytes_of(dtype_of(spec.encoding))),
        bytes_(encoded(dtype_of(spec.encoding), values)) {}

  Panel read(int64_t expert, int64_t first_row, int64_t rows,
             std::vector<std::byte>& scratch) const override {
    MUST(first_row >= 0 && rows > 0 && first_row + rows <= spec_.out);
    const auto begin = bytes_.begin() + (expert * spec_.out + first_row) * row_bytes_;
    scratch.assign(begin, begin + rows * row_bytes_);
    return {.values = scratch};
  }
  void done(int64_t /*expert*/, int64_t /*first_row*/, int64_t /*rows*/) const override {}

 private:
  const MatrixSpec spec_;
  const int64_t row_bytes_;
  const std::vector<std::byte> bytes_;
};

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
  MUST(static_cast<int64_t>(values.size()) == spec.count * spec.out * spec.in);
  matrices_.push_back(device_.make_matrix(spec, MemoryReader(spec, values)));
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
