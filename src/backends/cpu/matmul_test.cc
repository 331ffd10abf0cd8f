#include "backends/cpu/matmul.h"

#include <doctest/doctest.h>

#include "backends/cpu/test_support.h"
#include "base/error.h"

namespace pagoda::cpu {
namespace {

// Error of one output against x weight^T + bias in double, relative to the sizes of the terms.
double error_of(const Array& out, const Array& x, const Array& weights, const Array& bias,
                int64_t index) {
  const int64_t in = x.view().dim(1), columns = weights.view().dim(0);
  const int64_t r = index / columns, o = index % columns;
  double sum = bias.at(o), size = std::abs(sum);
  for (int64_t k = 0; k < in; ++k) {
    const double term = double{x.at(r * in + k)} * weights.at(o * in + k);
    sum += term;
    size += std::abs(term);
  }
  return std::abs(out.at(index) - sum) / (size + 1e-30);
}

double worst_error(const Array& out, const Array& x, const Array& weights, const Array& bias) {
  double worst = 0;
  for (int64_t i = 0; i < out.view().count(); ++i) {
    worst = std::max(worst, error_of(out, x, weights, bias, i));
  }
  return worst;
}

struct Shape {
  int64_t rows, in, out;
};
// Odd sizes, tails of every tile, one column, one row, several blocks of depth.
constexpr Shape kShapes[] = {{1, 1, 1},    {1, 24, 40},  {2, 33, 31},  {3, 64, 32},
                             {5, 300, 65}, {12, 7, 100}, {13, 96, 64}, {25, 513, 33},
                             {49, 40, 96}, {200, 70, 70}};

void check_values(const Family& family, DType dtype, const Shape& s) {
  CAPTURE(label(family, dtype, s.in));
  const auto device = open(family, 2);
  const Array x = random_array({s.rows, s.in}, dtype, 1);
  const Array weights = random_array({s.out, s.in}, dtype, 2);
  const Array bias = random_array({s.out}, DType::kF32, 3);
  const Array out({s.rows, s.out}, DType::kF32), rounded({s.rows, s.out}, dtype);
  const auto matrix = pack(*device, weights, dtype);
  device->ops().matmul(out, x, *matrix, bias);
  device->ops().matmul(rounded, x, *matrix, bias);
  // Sums of up to 513 terms in float.
  CHECK(worst_error(out, x, weights, bias) < 2e-6);
  CHECK(worst_error(rounded, x, weights, bias) < 2e-6 + 0.5 * epsilon_of(dtype));
}

void check_rows(const Family& family, DType dtype) {
  CAPTURE(label(family, dtype));
  constexpr int64_t kRows = 500, kIn = 610, kOut = 100;
  const Array x = random_array({kRows, kIn}, dtype, 1);
  const Array weights = random_array({kOut, kIn}, dtype, 2);
  const Array all({kRows, kOut}, DType::kF32);
  const auto three = open(family, 3), one = open(family, 1);
  three->ops().matmul(all, x, *pack(*three, weights, dtype), {});
  const auto matrix = pack(*one, weights, dtype);
  int differing = 0;
  for (const int64_t rows : {1, 2, 3, 5, 7, 12, 13, 31, 47, 100, 250}) {
    const int64_t first = rows * 7 % (kRows - rows);
    const Array some({rows, kOut}, DType::kF32);
    one->ops().matmul(some, rows_of(x, first, rows), *matrix, {});
    if (!same_rows(some, all, first)) ++differing;
  }
  CHECK(differing == 0);
}

// An encoding is that of a file; what gather_rows gives back is what was kept.
void check_encoding(DType encoding, DType dtype) {
  const Array weights = random_array({37, 45}, encoding, 4);
  const auto device = open(*families_here().back(), 1);
  const Array rows({37, 45}, dtype);
  std::vector<int32_t> ids(37);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i + 100);
  device->ops().gather_rows(rows, *pack(*device, weights, dtype), integers(ids), 100);
  Array expected({37, 45}, dtype);
  for (int64_t i = 0; i < expected.view().count(); ++i) expected.set(i, weights.at(i));
  CHECK(same_bits(rows, expected));
}

}  // namespace

TEST_CASE("the product is right for odd sizes, in every format and instruction set") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) {
      for (const Shape& s : kShapes) check_values(*family, dtype, s);
    }
  }
}

TEST_CASE("a row is the same bits alone, among 500 others, and with any number of threads") {
  for (const Family* family : families_here()) {
    for (const DType dtype : kFloats) check_rows(*family, dtype);
  }
}

TEST_CASE("weights of any encoding are rounded to the nearest number of the run's dtype") {
  for (const DType encoding : kFloats) {
    for (const DType dtype : kFloats) check_encoding(encoding, dtype);
  }
}

TEST_CASE("rows outside of a table are zeros") {
  const Array weights = random_array({40, 600}, DType::kBF16, 5);
  const auto device = open(*families_here().front(), 2);
  const auto matrix = pack(*device, weights, DType::kBF16);
  const Array rows = random_array({3, 600}, DType::kBF16, 6);
  device->ops().gather_rows(rows, *matrix, integers({9, 50, 10}), 10);
  for (int64_t k = 0; k < 600; ++k) {
    CHECK(rows.at(k) == 0);
    CHECK(rows.at(600 + k) == 0);
    CHECK(rows.at(1200 + k) == weights.at(k));
  }
}

TEST_CASE("what a panel reader throws comes out of make_matrix") {
  struct Broken final : PanelReader {
    Panel read(int64_t, int64_t, int64_t, std::vector<std::byte>&) const override {
      throw Error(ErrorKind::kCheckpoint, "the file ends");
    }
    void done(int64_t, int64_t, int64_t) const override {}
  };
  const auto device = open(*families_here().front(), 2);
  CHECK_THROWS_WITH_AS(device->make_matrix({.out = 1000, .in = 8}, Broken()), "the file ends",
                       Error);
}

TEST_CASE("a matrix keeps what matrix_bytes said") {
  const auto device = open(*families_here().front(), 1);
  for (const DType dtype : kFloats) {
    const Array weights = random_array({33, 24}, DType::kF32, 1);
    const MatrixSpec spec = {.out = 33, .in = 24, .format = {Encoding::kF32}, .dtype = dtype};
    CHECK(device->make_matrix(spec, ArrayReader(weights))->bytes() == device->matrix_bytes(spec));
  }
}

}  // namespace pagoda::cpu
