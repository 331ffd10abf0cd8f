// Cases of mixtures of experts and of products of single heads. A row is a token: which expert it
// goes to, and who else is there, must not change a bit of what comes back.
#include <algorithm>
#include <cmath>

#include "backends/conformance_cases.h"
#include "base/str.h"

namespace pagoda {
namespace {

// More than a block of rows with one expert, when all tokens choose few.
constexpr int64_t kRows = 131;

enum Input : uint64_t { kX = 2000, kWeight, kLogits, kCorrection, kGates };

struct Mixture {
  int64_t experts, active, in, out;
  int64_t first = 0, count = 0;  // experts of this rank; count 0: all
  WeightFormat format = {};
};

Routing make_routing(Rig& rig, int64_t tokens, const Mixture& m) {
  const auto ints = [&](int64_t n) { return rig.unwritten({n}, DType::kI32); };
  return {.experts = reshaped(ints(tokens * m.active), {tokens, m.active}),
          .weights = rig.unwritten({tokens, m.active}, DType::kF32),
          .places = reshaped(ints(tokens * m.active), {tokens, m.active}),
          .rows = ints(tokens * m.active),
          .offsets = ints(m.experts + 1)};
}

RoutingRule rule_of(const Mixture& m) {
  return {.active = m.active, .normalize = true, .scale = 1.5f};
}

Tensor upload_logits(Rig& rig, const RowNumbers& rows, int64_t experts) {
  return rig.upload({count_of(rows), experts}, DType::kF32,
                    random_rows(kLogits, rows, experts, 3.0f));
}

// Products are rounded to the dtype before they are summed.
Tolerance mixture_tolerance(DType dtype, const WeightFormat& format) {
  const Tolerance rounding = widening_of(format, dtype);
  return {.relative = rounding.relative, .of_rms = rounding.of_rms + rounding.relative};
}

// out[t] = sum over the token's experts of weight * (x[t] W^T). `is_sorted`: x comes as sorted
// pairs, as the second product of a feed-forward part reads it.
RowOutputs run_mixture(Rig& rig, const RowNumbers& rows, DType dtype, const Mixture& m,
                       bool is_sorted) {
  const int64_t tokens = count_of(rows), count = m.count == 0 ? m.experts : m.count;
  const Routing routing = make_routing(rig, tokens, m);
  rig.ops().route(routing, {.logits = upload_logits(rig, rows, m.experts), .correction = {}},
                  rule_of(m));
  const MatrixSpec spec = {
      .out = m.out, .in = m.in, .count = count, .format = m.format, .dtype = dtype};
  const Matrix& weights =
      rig.matrix(spec, random_rows(kWeight, first_rows(count * m.out), m.in, 0.5f));
  const Tensor x = rig.upload({tokens, m.in}, dtype, random_rows(kX, rows, m.in));
  const Tensor y = rig.unwritten({tokens * m.active, m.out}, dtype);
  ExpertProduct call = {.out = y,
                        .x = x,
                        .weights = weights,
                        .offsets = routing.offsets,
                        .rows = routing.rows,
                        .first = m.first};
  if (is_sorted) {
    call.x = rig.unwritten({tokens * m.active, m.in}, dtype);
    call.rows = {};
    rig.ops().gather_rows(call.x, x, routing.rows);
  }
  rig.ops().matmul_experts(call);
  const Tensor out = rig.unwritten({tokens, m.out}, dtype);
  rig.ops().combine_experts(out, y, routing, m.first, count);
  return rig.rows(out);
}

Case mixture_case(DType dtype, const Mixture& m) {
  Case c = {
      str("experts ", name_of(dtype), " [", m.out, ", ", m.in, "], ", m.active, " of ", m.experts,
          m.count > 0 ? str(", only ", m.count, " from ", m.first) : "", ", ", text_of(m.format)),
      mixture_tolerance(dtype, m.format), kRows,
      [=](Rig& rig, const RowNumbers& rows) { return run_mixture(rig, rows, dtype, m, false); }};
  c.equals.push_back(
      [=](Rig& rig, const RowNumbers& rows) { return run_mixture(rig, rows, dtype, m, true); });
  return c;
}

// Experts and weights, one after another; the order of pairs is tested by the mixtures.
Case route_case(int64_t experts, const RoutingRule& rule, bool corrected) {
  return {str("route ", rule.active, " of ", experts, " in ", rule.active_groups, " of ",
              rule.groups, " groups", corrected ? ", corrected" : ""),
          rounding_of(DType::kF32), kRows, [=](Rig& rig, const RowNumbers& rows) {
            const int64_t tokens = count_of(rows);
            const Routing routing =
                make_routing(rig, tokens, {experts, rule.active, /*in=*/1, /*out=*/1});
            RouterScores scores = {.logits = upload_logits(rig, rows, experts), .correction = {}};
            if (corrected) {
              scores.correction =
                  rig.upload({experts}, DType::kF32, random_rows(kCorrection, {0}, experts));
            }
            rig.ops().route(routing, scores, rule);
            std::vector<int32_t> chosen(static_cast<size_t>(tokens * rule.active));
            rig.device().synchronize();
            if (!chosen.empty()) rig.device().copy_out(chosen.data(), routing.experts);
            RowOutputs result = rig.rows(routing.weights);
            for (size_t i = 0; i < chosen.size(); ++i) {
              result[i / static_cast<size_t>(rule.active)].push_back(static_cast<float>(chosen[i]));
            }
            return result;
          }};
}

struct HeadShape {
  int64_t heads, in, x_width, out, out_width;
  WeightFormat format = {};
};

Case heads_case(DType dtype, const HeadShape& s) {
  return {str("matmul_heads ", name_of(dtype), " ", s.heads, " of [", s.out, ", ", s.in, "] ",
              text_of(s.format)),
          widening_of(s.format, dtype), kRows, [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            const MatrixSpec spec = {
                .out = s.out, .in = s.in, .count = s.heads, .format = s.format, .dtype = dtype};
            const Matrix& weight =
                rig.matrix(spec, random_rows(kWeight, first_rows(s.heads * s.out), s.in, 0.3f));
            const Tensor x = rig.upload({n, s.heads, s.x_width}, dtype,
                                        random_rows(kX, rows, s.heads * s.x_width));
            const auto count = static_cast<size_t>(n * s.heads * s.out_width);
            const Tensor out =
                rig.upload({n, s.heads, s.out_width}, dtype, std::vector<float>(count, 7.0f));
            rig.ops().matmul_heads(out, x, weight);
            return rig.rows(out);
          }};
}

// Gates from -100 to 100: both tails of the sigmoid.
Case gate_case(DType dtype, int64_t width) {
  return {str("gate_rows ", name_of(dtype), " [n, ", width, "]"), rounding_of(dtype), kRows,
          [=](Rig& rig, const RowNumbers& rows) {
            const int64_t n = count_of(rows);
            std::vector<float> gates = random_rows(kGates, rows, 1, 4.0f);
            for (size_t i = 0; i < rows.size(); ++i) {
              if (rows[i] % 5 < 2) gates[i] = rows[i] % 5 == 0 ? 100.0f : -100.0f;
            }
            const Tensor x = rig.upload({n, width}, dtype, random_rows(kX, rows, width));
            rig.ops().gate_rows(x, rig.upload({n}, DType::kF32, gates));
            return rig.rows(x);
          }};
}

}  // namespace

void add_expert_cases(std::vector<Case>& cases) {
  cases.push_back(route_case(8, {.active = 3}, false));
  cases.push_back(route_case(128, {.active = 8, .normalize = true}, false));
  cases.push_back(route_case(16,
                             {.active = 4,
                              .score = ExpertScore::kSigmoid,
                              .groups = 4,
                              .active_groups = 2,
                              .group_score = GroupScore::kSumOfTwoBest,
                              .normalize = true,
                              .scale = 2.5f},
                             true));
  for (const DType dtype : kFloatTypes) {
    cases.push_back(mixture_case(dtype, {1, 1, 16, 16}));
    cases.push_back(mixture_case(dtype, {8, 3, 67, 33}));
    cases.push_back(mixture_case(dtype, {2, 2, 40, 70}));
    cases.push_back(mixture_case(dtype, {64, 4, 96, 300}));
    cases.push_back(mixture_case(dtype, {12, 4, 31, 1100, 5, 4}));
    cases.push_back(heads_case(dtype, {1, 16, 16, 32, 32}));
    cases.push_back(heads_case(dtype, {4, 16, 32, 32, 48}));
    cases.push_back(heads_case(dtype, {3, 67, 67, 35, 40}));
    for (const WeightFormat& format : quantized_formats(67)) {
      cases.push_back(mixture_case(dtype, {8, 3, 67, 33, 0, 0, format}));
      cases.push_back(heads_case(dtype, {3, 67, 67, 35, 40, format}));
    }
    for (const int64_t width : {1, 67, 1030}) cases.push_back(gate_case(dtype, width));
  }
}

}  // namespace pagoda
