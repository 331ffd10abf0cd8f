#include "nn/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

// What frequencies are divided by, or a base they are powers of.
double positive(const HfConfig& scaling, std::string_view key) {
  const double value = scaling.number(key);
  if (value > 0.0) return value;
  throw Error(ErrorKind::kConfig, str(scaling.origin(), ": ", key, " is ", value,
                                      ", expected a number above 0; correct it"));
}

std::vector<double> plain(int64_t dim, double theta) {
  std::vector<double> radians;
  for (int64_t i = 0; i < dim / 2; ++i) {
    radians.push_back(std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim)));
  }
  return radians;
}

RotaryFrequencies unscaled(const RotarySpec& spec) {
  return {.radians = plain(spec.dim, spec.theta)};
}

RotaryFrequencies linear(const RotarySpec& spec) {
  RotaryFrequencies f = unscaled(spec);
  for (double& r : f.radians) r /= positive(spec.scaling, "factor");
  return f;
}

// "Dynamic NTK" stretches theta by how far the sequence exceeds the trained length. As vLLM 0.9.2
// (DynamicNTKScalingRotaryEmbedding), that length is always the longest one, so that cached keys
// stay valid and an answer does not depend on what came before it; transformers 4.51 takes the
// length of the current sequence.
RotaryFrequencies dynamic(const RotarySpec& spec) {
  const double factor = positive(spec.scaling, "factor"), dim = static_cast<double>(spec.dim);
  // With length = factor * max_position_embeddings, factor * length / max_position_embeddings is:
  const double stretch = factor * factor - (factor - 1.0);
  return {.radians = plain(spec.dim, spec.theta * std::pow(stretch, dim / (dim - 2.0)))};
}

// transformers v4.51, modeling_rope_utils.py, _compute_llama3_parameters: wavelengths longer than
// the old context are stretched, those far shorter are kept, between them a blend.
RotaryFrequencies llama3(const RotarySpec& spec) {
  const double factor = positive(spec.scaling, "factor");
  const double low = spec.scaling.number("low_freq_factor");
  const double high = spec.scaling.number("high_freq_factor");
  const double context = spec.scaling.number("original_max_position_embeddings");
  if (high <= low) {
    throw Error(ErrorKind::kConfig,
                str(spec.scaling.origin(), ": high_freq_factor ", high,
                    " must be above low_freq_factor ", low, "; correct one of them"));
  }
  RotaryFrequencies f = unscaled(spec);
  for (double& r : f.radians) {
    const double turns = context * r / (2.0 * std::numbers::pi);  // within the old context
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    r = (1.0 - kept) * r / factor + kept * r;
  }
  return f;
}

// arXiv:2309.00071, section 3.4, eq. 22.
double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// As transformers v5 _compute_yarn_parameters: an explicit factor, or what the two mscales make.
double yarn_amplitude(const HfConfig& scaling, double factor) {
  if (scaling.has("attention_factor")) return scaling.number("attention_factor");
  const double mscale = scaling.number_or("mscale", 0.0);
  const double mscale_all = scaling.number_or("mscale_all_dim", 0.0);
  if (mscale == 0.0 || mscale_all == 0.0) return yarn_mscale(factor, 1.0);
  return yarn_mscale(factor, mscale) / yarn_mscale(factor, mscale_all);
}

// arXiv:2309.00071, section 3.2, eq. 17 to 20, over dimensions as the authors' code does it. The
// stretch is `factor`, as in vLLM and transformers v5 (v4.53 takes max_position_embeddings /
// original_max_position_embeddings).
RotaryFrequencies yarn(const RotarySpec& spec) {
  const double factor = positive(spec.scaling, "factor"), dim = static_cast<double>(spec.dim);
  const double context = spec.scaling.number_or("original_max_position_embeddings",
                                                static_cast<double>(spec.max_position_embeddings));
  // The dimension (not rounded) that turns `turns` times within the original context.
  const auto dimension_of = [&](double turns) {
    return dim * std::log(context / (turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(spec.theta));
  };
  double low = dimension_of(spec.scaling.number_or("beta_fast", 32.0));
  double high = dimension_of(spec.scaling.number_or("beta_slow", 1.0));
  if (spec.scaling.flag_or("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;  // as the reference: no division by zero

  RotaryFrequencies f = unscaled(spec);
  for (size_t i = 0; i < f.radians.size(); ++i) {
    const double stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f.radians[i] *= stretched / factor + (1.0 - stretched);
  }
  f.amplitude = yarn_amplitude(spec.scaling, factor);
  return f;
}

struct Scaling {
  std::string_view rope_type;
  RotaryFrequencies (*frequencies)(const RotarySpec&);
};
constexpr Scaling kScalings[] = {
    {"default", &unscaled}, {"mrope", &unscaled},  // as files of Qwen2-VL call it
    {"linear", &linear},    {"dynamic", &dynamic}, {"llama3", &llama3}, {"yarn", &yarn}};

// How many of `half` frequencies go by each axis.
std::vector<int64_t> sections_of(const HfConfig& scaling, int64_t half) {
  std::vector<int64_t> sections = scaling.integers_or_empty("mrope_section");
  if (sections.empty()) return {half};
  const int64_t sum = std::accumulate(sections.begin(), sections.end(), int64_t{0});
  const bool fits = sections.size() == 3 && sum == half &&
                    *std::min_element(sections.begin(), sections.end()) > 0;
  if (fits) return sections;
  throw Error(ErrorKind::kConfig,
              str(scaling.origin(), ": mrope_section has ", sections.size(), " parts of ", sum,
                  " frequencies, expected those of time, row and column, together the ", half,
                  " of a head; correct it"));
}

}  // namespace

std::string rope_type_of(const HfConfig& scaling) {
  return scaling.text_or("rope_type", scaling.text_or("type", "default"));
}

RotaryFrequencies rotary_frequencies(const RotarySpec& spec) {
  const std::string type = rope_type_of(spec.scaling);
  std::string known;
  for (const Scaling& s : kScalings) {
    if (s.rope_type == type) return s.frequencies(spec);
    known += str(known.empty() ? "" : ", ", s.rope_type);
  }
  throw Error(ErrorKind::kConfig, str(spec.scaling.origin(), ": rope_type \"", type,
                                      "\" is not supported; supported are ", known));
}

double yarn_score_factor(const HfConfig& scaling) {
  const double mscale_all = scaling.number_or("mscale_all_dim", 0.0);
  if (mscale_all == 0.0) return 1.0;
  const double mscale = yarn_mscale(positive(scaling, "factor"), mscale_all);
  return mscale * mscale;
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
  const RotaryFrequencies f = rotary_frequencies(spec);
  const auto half = static_cast<int64_t>(f.radians.size());
  const std::vector<int64_t> sections = sections_of(spec.scaling, half);
  int64_t first = 0;
  for (const int64_t count : sections) {
    const AngleTable table = angle_table(f, max_positions, first, count);
    axes_.push_back({w.constant({max_positions, count}, table.cos.data()),
                     w.constant({max_positions, count}, table.sin.data())});
    first += count;
  }
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
