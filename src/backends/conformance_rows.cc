// Cases of the ops that go row by row: moving rows and columns, sums, norms, activations, rotary.
#include <algorithm>

#include "backends/conformance_cases.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr Tolerance kExact = {};
constexpr int64_t kRows = 37;
// One number, fewer than a vector, a vector, odd ends, more than one cache line of anything.
constexpr int64_t kWidths[] = {1, 3, 16, 24, 67, 448};

enum Input : uint64_t { kX, kOther, kGain, kCos, kSin };

Tolerance times(Tolerance t, double factor) {
  return {.relative = factor * t.relative, .of_rms = factor * t.of_rms};
}

Case gather_case(DType dtype, int64_t width) {
  return {str("gather_rows ", name_of(dtype), " [n, ", width, "]"), kExact, kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const Tensor x =
                rig.upload({kRows, width}, dtype, random_rows(kX, first_rows(kRows), width));
            std::vector<int32_t> from;
            for (const int64_t row : rows) from.push_back(static_cast<int32_t>(row * 5 % kRows));
            const Tensor out = rig.unwritten({count_of(rows), width}, dtype);
            rig.ops().gather_rows(out, x, rig.upload(from));
            return rig.rows(out);
          }};
}

// The rows that are not written keep what they had; both are part of the output.
Case scatter_case(DType dtype, int64_t width) {
  return {str("scatter_rows ", name_of(dtype), " [n, ", width, "]"), kExact, kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            const Tensor x = rig.upload({n, width}, dtype, random_rows(kX, rows, width));
            const Tensor out =
                rig.upload({2 * n, width}, dtype, std::vector<float>(2 * n * width, 7.0f));
            std::vector<int32_t> to;
            for (int64_t i = n; i-- > 0;) to.push_back(static_cast<int32_t>(2 * i + 1));
            rig.ops().scatter_rows(out, x, rig.upload(to));
            const RowOutputs written = rig.rows(out);
            RowOutputs result;
            for (int64_t i = 0; i < n; ++i) {
              const auto at = static_cast<size_t>(to[static_cast<size_t>(i)]);
              result.push_back(written[at]);
              result.back().push_back(written[at - 1].front());
            }
            return result;
          }};
}

// What an earlier owner left in a row must not matter, not even NaN; the rows between keep what
// they had.
Case clear_case(DType dtype, int64_t heads, int64_t width) {
  return {str("clear_rows ", name_of(dtype), " [n, ", heads, ", ", width, "]"), kExact, kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            const Tensor out = rig.unwritten({2 * n, heads, width}, dtype);
            const Tensor kept =
                rig.upload({n, heads, width}, dtype, random_rows(kX, rows, heads * width));
            std::vector<int32_t> to, between;
            for (int64_t i = n; i-- > 0;) to.push_back(static_cast<int32_t>(2 * i + 1));
            for (int64_t i = 0; i < n; ++i) between.push_back(static_cast<int32_t>(2 * i));
            rig.ops().scatter_rows(reshaped(out, {2 * n, heads * width}),
                                   reshaped(kept, {n, heads * width}), rig.upload(between));
            rig.ops().clear_rows(out, rig.upload(to));
            const RowOutputs written = rig.rows(out);
            RowOutputs result;
            for (size_t i = 0; i < rows.size(); ++i) {
              result.push_back(written[2 * i + 1]);
              const std::vector<float>& before = written[2 * i];
              result.back().insert(result.back().end(), before.begin(), before.end());
            }
            return result;
          }};
}

Case add_case(DType dtype, int64_t width) {
  return {str("add ", name_of(dtype), " [n, ", width, "]"), kExact, kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            const Tensor inout = rig.upload({n, width}, dtype, random_rows(kX, rows, width));
            rig.ops().add(inout, rig.upload({n, width}, dtype, random_rows(kOther, rows, width)));
            return rig.rows(inout);
          }};
}

// Row 0 is zero: only eps keeps it from a division by zero. Row 1 is large.
std::vector<float> norm_input(const RowNumbers& rows, int64_t width) {
  std::vector<float> x = random_rows(kX, rows, width, 2.0f);
  for (size_t i = 0; i < rows.size(); ++i) {
    const float scale = rows[i] == 0 ? 0.0f : rows[i] == 1 ? 1000.0f : 1.0f;
    for (int64_t j = 0; j < width; ++j) x[i * static_cast<size_t>(width) + j] *= scale;
  }
  return x;
}

// Far out on both sides, where erf is -1 and 1, and around 0.
Case gelu_case(DType dtype, int64_t width) {
  return {str("gelu ", name_of(dtype), " [n, ", width, "]"), rounding_of(dtype), kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const Tensor x =
                rig.upload({count_of(rows), width}, dtype, random_rows(kX, rows, width, 8.0f));
            rig.ops().gelu(x);
            return rig.rows(x);
          }};
}

constexpr float kEps = 1e-5f;

// Rounded twice: before the gain and after it.
Tolerance norm_tolerance(DType dtype) {
  return times(rounding_of(dtype), 2.0);
}

Case norm_case(DType dtype, int64_t width, bool in_place) {
  return {str("rms_norm ", name_of(dtype), " [n, ", width, "]", in_place ? " in place" : ""),
          norm_tolerance(dtype), kRows, [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            const Tensor x = rig.upload({n, width}, dtype, norm_input(rows, width));
            const Tensor gain = rig.upload({width}, DType::kF32, random_rows(kGain, {0}, width));
            const Tensor out = in_place ? x : rig.unwritten({n, width}, dtype);
            rig.ops().rms_norm(out, x, gain, kEps);
            return rig.rows(out);
          }};
}

Case head_norm_case(DType dtype, int64_t heads, int64_t head_dim) {
  return {str("rms_norm ", name_of(dtype), " [n, ", heads, ", ", head_dim, "] of heads"),
          norm_tolerance(dtype), kRows, [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            const Tensor x =
                rig.upload({n, heads, head_dim}, dtype, norm_input(rows, heads * head_dim));
            const Tensor gain =
                rig.upload({head_dim}, DType::kF32, random_rows(kGain, {0}, head_dim));
            rig.ops().rms_norm(x, x, gain, kEps);
            return rig.rows(x);
          }};
}

enum class Delta : uint8_t { kNone, kApart, kIsOut };

Case add_norm_case(DType dtype, int64_t width, Delta kind) {
  constexpr std::string_view kNames[] = {"without delta", "with delta", "out is delta"};
  return {
      str("add_rms_norm ", name_of(dtype), " [n, ", width, "] ", kNames[static_cast<size_t>(kind)]),
      norm_tolerance(dtype), kRows, [=](Rig& rig, const RowNumbers& rows) {
        const int64_t n = count_of(rows);
        const Tensor stream = rig.upload({n, width}, dtype, norm_input(rows, width));
        const Tensor gain = rig.upload({width}, DType::kF32, random_rows(kGain, {0}, width));
        Tensor delta;
        if (kind != Delta::kNone) {
          delta = rig.upload({n, width}, dtype, random_rows(kOther, rows, width));
        }
        const Tensor out = kind == Delta::kIsOut ? delta : rig.unwritten({n, width}, dtype);
        rig.ops().add_rms_norm(out, stream, delta, gain, kEps);
        RowOutputs result = rig.rows(out);
        const RowOutputs streams = rig.rows(stream);
        for (size_t i = 0; i < result.size(); ++i) {
          result[i].insert(result[i].end(), streams[i].begin(), streams[i].end());
        }
        return result;
      }};
}

// Gates from -100 to 100: both tails of the sigmoid.
Case gated_case(DType dtype, int64_t ffn, Activation activation) {
  const bool is_silu = activation == Activation::kSilu;
  return {
      str("gated_mul ", is_silu ? "silu " : "gelu by tanh ", name_of(dtype), " [n, 2 * ", ffn, "]"),
      rounding_of(dtype), kRows, [=](Rig& rig, const RowNumbers& rows) {
        const int64_t n = count_of(rows);
        std::vector<float> x = random_rows(kX, rows, 2 * ffn, 8.0f);
        for (size_t i = 0; i < rows.size(); ++i) {
          const float extreme = rows[i] % 3 == 0 ? 100.0f : rows[i] % 3 == 1 ? -100.0f : 0.0f;
          x[i * static_cast<size_t>(2 * ffn)] = extreme;
        }
        const Tensor out = rig.unwritten({n, ffn}, dtype);
        rig.ops().gated_mul(out, rig.upload({n, 2 * ffn}, dtype, x), activation);
        return rig.rows(out);
      }};
}

Case scale_case(DType dtype, int64_t width) {
  return {
      str("scale ", name_of(dtype), " [n, ", width, "]"), rounding_of(dtype), kRows,
      [=](Rig& rig, const RowNumbers& rows) {
        const Tensor x = rig.upload({count_of(rows), width}, dtype, random_rows(kX, rows, width));
        rig.ops().scale(x, 5.65685425f);
        return rig.rows(x);
      }};
}

// Small logits, where tanh is nearly its argument, to those far beyond the cap.
Case soft_cap_case(int64_t width) {
  return {str("soft_cap [n, ", width, "]"),
          {.relative = 1e-6, .of_rms = 1e-6},
          kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const Tensor x = rig.upload({count_of(rows), width}, DType::kF32,
                                        random_rows(kX, rows, width, 100.0f));
            rig.ops().soft_cap(x, 30.0f);
            return rig.rows(x);
          }};
}

struct RopeShape {
  int64_t heads, head_dim, rotary_dim;
};

Case rope_case(DType dtype, RopeShape s, RotaryPairing pairing) {
  const bool halves = pairing == RotaryPairing::kHalves;
  return {str("rope ", name_of(dtype), " [n, ", s.heads, ", ", s.head_dim, "] first ", s.rotary_dim,
              halves ? " in halves" : " in neighbors"),
          rounding_of(dtype), kRows, [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows), half = s.rotary_dim / 2;
            const Tensor heads = rig.upload({n, s.heads, s.head_dim}, dtype,
                                            random_rows(kX, rows, s.heads * s.head_dim));
            const RotaryTable table = {
                .cos = rig.upload({n, half}, DType::kF32, random_rows(kCos, rows, half)),
                .sin = rig.upload({n, half}, DType::kF32, random_rows(kSin, rows, half))};
            rig.ops().rope(heads, table, pairing);
            return rig.rows(heads);
          }};
}

Case columns_case(DType dtype, int64_t columns, int64_t first, int64_t n) {
  return {str("copy_columns ", name_of(dtype), " ", first, " to ", first + n, " of ", columns),
          kExact, kRows, [=](Rig& rig, const RowNumbers& rows) {
            const Tensor x =
                rig.upload({count_of(rows), columns}, dtype, random_rows(kX, rows, columns));
            const Tensor out = rig.unwritten({count_of(rows), n}, dtype);
            rig.ops().copy_columns(out, x, first);
            return rig.rows(out);
          }};
}

// The columns around keep what they had.
Case paste_case(DType dtype, int64_t columns, int64_t first, int64_t n) {
  return {str("paste_columns ", name_of(dtype), " ", first, " to ", first + n, " of ", columns),
          kExact, kRows, [=](Rig& rig, const RowNumbers& rows) {
            const Tensor out =
                rig.upload({count_of(rows), columns}, dtype, random_rows(kOther, rows, columns));
            const Tensor x = rig.upload({count_of(rows), n}, dtype, random_rows(kX, rows, n));
            rig.ops().paste_columns(out, x, first);
            return rig.rows(out);
          }};
}

Case join_case(DType dtype, int64_t ranks, int64_t width, int64_t kept) {
  return {str("join_columns ", name_of(dtype), " ", ranks, " parts of ", width, " to ", kept),
          kExact, kRows, [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            std::vector<float> parts;
            for (int64_t p = 0; p < ranks; ++p) {
              const std::vector<float> part =
                  random_rows(kX + static_cast<uint64_t>(p) * 100, rows, width);
              parts.insert(parts.end(), part.begin(), part.end());
            }
            const Tensor out = rig.unwritten({n, kept}, dtype);
            rig.ops().join_columns(out, rig.upload({ranks, n, width}, dtype, parts));
            return rig.rows(out);
          }};
}

void add_rope_cases(std::vector<Case>& cases, DType dtype) {
  constexpr RopeShape kShapes[] = {
      {1, 2, 2}, {3, 24, 24}, {2, 64, 64}, {2, 128, 32}, {1, 256, 256}};
  for (const RopeShape& shape : kShapes) {
    cases.push_back(rope_case(dtype, shape, RotaryPairing::kHalves));
    cases.push_back(rope_case(dtype, shape, RotaryPairing::kNeighbors));
  }
}

}  // namespace

void add_row_cases(std::vector<Case>& cases) {
  for (const DType dtype : kFloatTypes) {
    for (const int64_t width : kWidths) {
      cases.push_back(gather_case(dtype, width));
      cases.push_back(scatter_case(dtype, width));
      cases.push_back(clear_case(dtype, 1, width));
      cases.push_back(add_case(dtype, width));
      cases.push_back(norm_case(dtype, width, false));
      cases.push_back(norm_case(dtype, width, true));
      cases.push_back(add_norm_case(dtype, width, Delta::kNone));
      cases.push_back(add_norm_case(dtype, width, Delta::kApart));
      cases.push_back(add_norm_case(dtype, width, Delta::kIsOut));
      cases.push_back(gated_case(dtype, width, Activation::kSilu));
      cases.push_back(gated_case(dtype, width, Activation::kGeluTanh));
      cases.push_back(scale_case(dtype, width));
      cases.push_back(gelu_case(dtype, width));
    }
    cases.push_back(clear_case(dtype, 3, 24));
    cases.push_back(head_norm_case(dtype, 3, 24));
    cases.push_back(head_norm_case(dtype, 2, 256));
    add_rope_cases(cases, dtype);
    cases.push_back(columns_case(dtype, 96, 0, 32));
    cases.push_back(columns_case(dtype, 67, 13, 54));
    cases.push_back(paste_case(dtype, 96, 64, 32));
    cases.push_back(paste_case(dtype, 67, 13, 5));
    cases.push_back(join_case(dtype, 2, 16, 32));
    cases.push_back(join_case(dtype, 3, 7, 19));  // 2 columns of padding
    cases.push_back(join_case(dtype, 8, 5, 33));  // the last rank has nothing but padding
  }
  for (const int64_t width : kWidths) cases.push_back(soft_cap_case(width));
  cases.push_back(clear_case(DType::kF32, 1, 20'000));  // more than one thread takes of a row
}

}  // namespace pagoda
