// Cases of the ops that read a packed Matrix.
#include <cmath>

#include "backends/conformance_cases.h"
#include "base/str.h"

namespace pagoda {
namespace {

// More rows than any tile of a kernel, and not a multiple of one.
constexpr int64_t kRows = 71;

enum Input : uint64_t { kX, kWeight, kBias };

struct MatmulShape {
  int64_t in, out;
};

struct MatmulKind {
  DType x;
  WeightFormat format;
  DType out;
  bool has_bias;
};

// Products of dtype x, stored in dtype out.
Tolerance matmul_tolerance(const MatmulKind& kind) {
  return {.relative = rounding_of(kind.out).relative,
          .of_rms = widening_of(kind.format, kind.x).of_rms};
}

Case matmul_case(MatmulShape s, MatmulKind kind) {
  return {
      str("matmul ", name_of(kind.x), " [n, ", s.in, "] x ", text_of(kind.format), " [", s.out,
          ", ", s.in, "] -> ", name_of(kind.out), kind.has_bias ? " with bias" : ""),
      matmul_tolerance(kind), kRows, [=](Rig& rig, const RowNumbers& rows) {
        const MatrixSpec spec = {.out = s.out, .in = s.in, .format = kind.format, .dtype = kind.x};
        const float scale = 1.0f / std::sqrt(static_cast<float>(s.in));
        const Matrix& weight =
            rig.matrix(spec, random_rows(kWeight, first_rows(s.out), s.in, scale));
        Tensor bias;
        if (kind.has_bias) {
          bias = rig.upload({s.out}, DType::kF32, random_rows(kBias, {0}, s.out));
        }
        const Tensor x = rig.upload({count_of(rows), s.in}, kind.x, random_rows(kX, rows, s.in));
        const Tensor out = rig.unwritten({count_of(rows), s.out}, kind.out);
        rig.ops().matmul(out, x, weight, bias);
        return rig.rows(out);
      }};
}

// Tokens 10 to 46 are in this rank's table; the others give zeros.
Case embedding_case(DType dtype, const WeightFormat& format, int64_t width) {
  constexpr int64_t kVocab = 37, kFirst = 10;
  return {str("gather_rows ", name_of(dtype), " of ", text_of(format), " matrix [", kVocab, ", ",
              width, "]"),
          Tolerance{}, kRows, [=](Rig& rig, const RowNumbers& rows) {
            const MatrixSpec spec = {.out = kVocab, .in = width, .format = format, .dtype = dtype};
            const Matrix& table = rig.matrix(spec, random_rows(kWeight, first_rows(kVocab), width));
            std::vector<int32_t> ids;
            for (const int64_t row : rows) ids.push_back(static_cast<int32_t>(row));
            const Tensor out = rig.unwritten({count_of(rows), width}, dtype);
            rig.ops().gather_rows(out, table, rig.upload(ids), kFirst);
            return rig.rows(out);
          }};
}

void add_quantized_cases(std::vector<Case>& cases, DType dtype, const MatmulShape& shape) {
  for (const WeightFormat& format : quantized_formats(shape.in)) {
    cases.push_back(matmul_case(shape, {dtype, format, dtype, true}));
    cases.push_back(matmul_case(shape, {dtype, format, DType::kF32, false}));
    cases.push_back(embedding_case(dtype, format, shape.in));
  }
}

}  // namespace

void add_matrix_cases(std::vector<Case>& cases) {
  constexpr MatmulShape kShapes[] = {{1, 1},     {3, 5},    {16, 16},   {64, 275}, {67, 33},
                                     {300, 129}, {448, 84}, {1027, 70}, {31, 640}};
  constexpr Encoding kEncodings[] = {Encoding::kF32, Encoding::kF16, Encoding::kBF16};
  for (const DType dtype : kFloatTypes) {
    for (const Encoding encoding : kEncodings) {
      cases.push_back(embedding_case(dtype, {encoding}, 67));
      cases.push_back(matmul_case({67, 33}, {dtype, {encoding}, dtype, true}));
    }
    for (const MatmulShape& shape : kShapes) {
      cases.push_back(matmul_case(shape, {dtype, {}, dtype, false}));
      cases.push_back(matmul_case(shape, {dtype, {}, DType::kF32, true}));
    }
    cases.push_back(embedding_case(dtype, {}, 1));
    cases.push_back(embedding_case(dtype, {}, 448));
  }
  for (const DType dtype : kFloatTypes) {
    add_quantized_cases(cases, dtype, {67, 33});
    add_quantized_cases(cases, dtype, {448, 84});
  }
}

}  // namespace pagoda
