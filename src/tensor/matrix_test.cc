#include "tensor/matrix.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>

namespace pagoda {
namespace {

template <class T>
std::span<const std::byte> bytes_of_values(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

// Row `row` of a panel, all columns.
std::vector<float> row_of(const Panel& panel, const MatrixSpec& spec, int64_t row) {
  std::vector<float> out(static_cast<size_t>(spec.in));
  widen(out.data(), panel, spec, {.row = row, .first = 0, .count = spec.in});
  return out;
}

}  // namespace

TEST_CASE("int4 is signed, the lower half of a byte first, and rows begin at whole bytes") {
  const std::vector<uint8_t> values = {0x10, 0x87, 0x0F, 0x21, 0x43, 0x05};
  const std::vector<float> scales = {1.0f, 10.0f};
  const MatrixSpec spec = {.out = 2, .in = 5, .format = {.values = Encoding::kInt4}};
  const Panel panel = {.values = bytes_of_values(values), .scales = bytes_of_values(scales)};
  CHECK(row_of(panel, spec, 0) == std::vector<float>{0, 1, 7, -8, -1});
  CHECK(row_of(panel, spec, 1) == std::vector<float>{10, 20, 30, 40, 50});
}

TEST_CASE("each group has its scale and its zero point, and the last may be smaller") {
  const std::vector<int8_t> values = {1, 2, 3, 4, -5};
  const std::vector<Float16> scales = {from_float<Float16>(2.0f), from_float<Float16>(0.5f),
                                       from_float<Float16>(4.0f)};
  const std::vector<int8_t> zeros = {1, -1, 0};
  const MatrixSpec spec = {
      .out = 1,
      .in = 5,
      .format = {
          .values = Encoding::kInt8, .group = 2, .scales = Encoding::kF16, .has_zeros = true}};
  const Panel panel = {
      .values = bytes_of_values(values), .scales = bytes_of_values(scales), .zeros = zeros};
  CHECK(row_of(panel, spec, 0) == std::vector<float>{0, 2, 2, 2.5f, -20});
  std::array<float, 2> piece = {};
  widen(piece.data(), panel, spec, {.row = 0, .first = 3, .count = 2});
  CHECK(piece == std::array{2.5f, -20.0f});
}

TEST_CASE("an order puts every column into a group of its own choice") {
  const std::vector<int8_t> values = {1, 1, 1, 1};
  const std::vector<float> scales = {1, 2, 3, 10, 20, 30};
  const std::vector<int32_t> order = {2, 0, 1, 2};
  const MatrixSpec spec = {
      .out = 2, .in = 4, .format = {.values = Encoding::kInt8, .group = 2, .ordered_groups = 3}};
  const Panel panel = {
      .values = bytes_of_values(values), .scales = bytes_of_values(scales), .order = order};
  CHECK(row_of(panel, spec, 0) == std::vector<float>{3, 1, 2, 3});
}

TEST_CASE("floats of 8 bits have a scale a group and lose nothing") {
  // 1, -1.125, the largest, the least that is not 0, and its negative zero
  const std::vector<uint8_t> values = {0x38, 0xB9, 0x7E, 0x01, 0x80};
  const std::vector<float> scales = {3.0f, 0x1p9f};
  const MatrixSpec spec = {.out = 1, .in = 5, .format = {.values = Encoding::kF8E4M3, .group = 3}};
  const Panel panel = {.values = bytes_of_values(values), .scales = bytes_of_values(scales)};
  const std::vector<float> row = row_of(panel, spec, 0);
  CHECK(row == std::vector<float>{3.0f, -3.375f, 1344.0f, 1.0f, 0.0f});
  CHECK(std::signbit(row[4]));
}

TEST_CASE("floats are widened wherever they lie") {
  std::vector<std::byte> memory(1 + 2 * sizeof(BFloat16));
  const std::array values = {from_float<BFloat16>(1.5f), from_float<BFloat16>(-2.0f)};
  std::memcpy(memory.data() + 1, values.data(), sizeof values);
  const MatrixSpec spec = {.out = 1, .in = 2};
  const Panel panel = {.values = std::span(memory).subspan(1)};
  CHECK(row_of(panel, spec, 0) == std::vector<float>{1.5f, -2.0f});
}

TEST_CASE("a format says its bytes and its name") {
  CHECK(bytes_of(Encoding::kInt4, 5) == 3);
  CHECK(bytes_of(Encoding::kBF16, 5) == 10);
  const WeightFormat grouped = {.values = Encoding::kInt4, .group = 32, .has_zeros = true};
  CHECK(grouped.groups(70) == 3);
  CHECK(text_of(grouped) == "int4 in groups of 32 with zero points");
  CHECK(WeightFormat{.values = Encoding::kInt8}.groups(70) == 1);
  CHECK(text_of({.values = Encoding::kInt8}) == "int8 by rows");
  const WeightFormat blocks = {.values = Encoding::kF8E4M3, .group = 64};
  CHECK(blocks.is_quantized());
  CHECK(blocks.groups(70) == 2);
  CHECK(text_of(blocks) == "float8_e4m3 in groups of 64");
  CHECK(WeightFormat{}.groups(70) == 0);
  CHECK(text_of({}) == "bfloat16");
}

}  // namespace pagoda
