#include "nn/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/must.h"

namespace pagoda {
namespace {

RotaryFrequencies unscaled(const RotarySpec& spec) {
  RotaryFrequencies f;
  const auto dim = static_cast<double>(spec.dim);
  for (int64_t i = 0; i < spec.dim / 2; ++i) {
    f.radians.push_back(std::pow(spec.theta, -2.0 * static_cast<double>(i) / dim));
  }
  return f;
}

// How each scaling stretches; `longest` is the longest context that is served.

RotaryFrequencies stretched(const RotarySpec& spec, const Unscaled& /*by*/, int64_t /*longest*/) {
  return unscaled(spec);
}

RotaryFrequencies stretched(const RotarySpec& spec, const LinearScaling& by, int64_t /*longest*/) {
  RotaryFrequencies f = unscaled(spec);
  for (double& r : f.radians) r /= by.factor;
  return f;
}

// "Dynamic NTK" stretches theta by how far the sequence exceeds the trained length. As vLLM 0.9.2
// (DynamicNTKScalingRotaryEmbedding), that length is always the longest one, so that cached keys
// stay valid and an answer does not depend on what came before it; transformers 4.51 takes the
// length of the current sequence.
RotaryFrequencies stretched(const RotarySpec& spec, const DynamicScaling& by, int64_t /*longest*/) {
  const auto dim = static_cast<double>(spec.dim);
  // With length = factor * max_position_embeddings, factor * length / max_position_embeddings is:
  const double stretch = by.factor * by.factor - (by.factor - 1.0);
  const double theta = spec.theta * std::pow(stretch, dim / (dim - 2.0));
  return unscaled({.dim = spec.dim, .theta = theta});
}

// transformers v4.51, modeling_rope_utils.py, _compute_llama3_parameters: wavelengths longer than
// the old context are stretched, those far shorter are kept, between them a blend.
RotaryFrequencies stretched(const RotarySpec& spec, const WavelengthScaling& by,
                            int64_t /*longest*/) {
  RotaryFrequencies f = unscaled(spec);
  const double low = by.low_freq_factor, high = by.high_freq_factor;
  for (double& r : f.radians) {
    const double turns = by.original_context * r / (2.0 * std::numbers::pi);
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    r = (1.0 - kept) * r / by.factor + kept * r;
  }
  return f;
}

// arXiv:2309.00071, section 3.2, eq. 17 to 20, over dimensions as the authors' code does it.
RotaryFrequencies stretched(const RotarySpec& spec, const YarnScaling& by, int64_t /*longest*/) {
  const auto dim = static_cast<double>(spec.dim);
  // The dimension (not rounded) that turns `turns` times within the original context.
  const auto dimension_of = [&](double turns) {
    return dim * std::log(by.original_context / (turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(spec.theta));
  };
  double low = dimension_of(by.beta_fast);
  double high = dimension_of(by.beta_slow);
  if (by.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;  // as the reference: no division by zero

  RotaryFrequencies f = unscaled(spec);
  for (size_t i = 0; i < f.radians.size(); ++i) {
    const double share = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f.radians[i] *= share / by.factor + (1.0 - share);
  }
  f.amplitude = by.amplitude;
  return f;
}

RotaryFrequencies stretched(const RotarySpec& spec, const LongScaling& by, int64_t longest) {
  const bool is_long = static_cast<double>(longest) > by.original_context;
  const std::vector<double>& factors = is_long ? by.long_factors : by.short_factors;
  RotaryFrequencies f = unscaled(spec);
  MUST(factors.size() == f.radians.size());
  for (size_t i = 0; i < factors.size(); ++i) f.radians[i] /= factors[i];
  f.amplitude = by.amplitude;
  return f;
}

}  // namespace

RotaryFrequencies rotary_frequencies(const RotarySpec& spec, int64_t max_positions) {
  return std::visit([&](const auto& by) { return stretched(spec, by, max_positions); },
                    spec.scaling);
}

AngleTable angle_table(const RotaryFrequencies& f, int64_t max_positions, int64_t first,
                       int64_t count) {
  AngleTable table;
  table.cos.reserve(static_cast<size_t>(max_positions * count));
  table.sin.reserve(static_cast<size_t>(max_positions * count));
  for (int64_t position = 0; position < max_positions; ++position) {
    for (int64_t i = first; i < first + count; ++i) {
      const double angle = static_cast<double>(position) * f.radians[static_cast<size_t>(i)];
      table.cos.push_back(static_cast<float>(std::cos(angle) * f.amplitude));
      table.sin.push_back(static_cast<float>(std::sin(angle) * f.amplitude));
    }
  }
  return table;
}

Rotary::Rotary(const Weights& w, const RotarySpec& spec, int64_t max_positions) {
  const RotaryFrequencies f = rotary_frequencies(spec, max_positions);
  const auto half = static_cast<int64_t>(f.radians.size());
  const std::vector<int64_t> sections = spec.sections.empty() ? std::vector{half} : spec.sections;
  int64_t first = 0;
  for (const int64_t count : sections) {
    const AngleTable table = angle_table(f, max_positions, first, count);
    axes_.push_back({w.constant({max_positions, count}, table.cos.data()),
                     w.constant({max_positions, count}, table.sin.data())});
    first += count;
  }
  MUST(first == half);
}

RotaryTable Rotary::operator()(Step& step) const {
  const int64_t tokens = step.batch.tokens.dim(0);
  int64_t half = 0;
  for (const Axis& axis : axes_) half += axis.cos.dim(1);
  const RotaryTable table = {.cos = step.scratch.make({tokens, half}, DType::kF32),
                             .sin = step.scratch.make({tokens, half}, DType::kF32)};
  const auto positions = [&](size_t axis) {
    return reshaped(rows_of(step.batch.positions, static_cast<int64_t>(axis), 1), {tokens});
  };
  if (axes_.size() == 1) {
    step.ops.gather_rows(table.cos, axes_[0].cos, positions(0));
    step.ops.gather_rows(table.sin, axes_[0].sin, positions(0));
    return table;
  }
  const ScratchScope scope(step.scratch);
  int64_t first = 0;
  for (size_t i = 0; i < axes_.size(); ++i) {
    const int64_t count = axes_[i].cos.dim(1);
    const Tensor angles = step.scratch.make({tokens, count}, DType::kF32);
    step.ops.gather_rows(angles, axes_[i].cos, positions(i));
    step.ops.paste_columns(table.cos, angles, first);
    step.ops.gather_rows(angles, axes_[i].sin, positions(i));
    step.ops.paste_columns(table.sin, angles, first);
    first += count;
  }
  return table;
}

}  // namespace pagoda
