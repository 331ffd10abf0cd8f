// Rotary position embedding (arXiv:2104.09864, eq. 34): the table of angles for every position, and
// the ways in which checkpoints stretch it to longer contexts.
//
// The table is computed once, in double precision, and depends on config.json and the longest
// context alone, never on the length of a request.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "load/weights.h"
#include "nn/step.h"

namespace pagoda {

// Ways to stretch. Factors are above 0; contexts are in tokens.
struct Unscaled {};
struct LinearScaling {
  double factor;
};
struct DynamicScaling {  // "dynamic NTK"
  double factor;
};
struct WavelengthScaling {  // "llama3": long wavelengths are stretched, short ones kept
  double factor;
  double low_freq_factor, high_freq_factor;  // the second is larger
  double original_context;
};
struct YarnScaling {
  double factor;
  double original_context;
  double beta_fast, beta_slow;
  bool truncate;     // bounds between stretched and kept frequencies are whole
  double amplitude;  // factor on cos and sin
};
// "longrope" (arXiv:2402.13753): a divisor for each frequency, those of `long_factors` where the
// longest context is beyond the original one. For all requests alike: transformers chooses by the
// length of the batch and vLLM 0.9.2 by that of the step, so that an answer depends on its
// neighbors; newer vLLM does as we do.
struct LongScaling {
  std::vector<double> short_factors, long_factors;  // [dim / 2]
  double original_context;
  double amplitude;  // factor on cos and sin, with either
};
using RotaryScaling = std::variant<Unscaled, LinearScaling, DynamicScaling, WavelengthScaling,
                                   YarnScaling, LongScaling>;

struct RotarySpec {
  int64_t dim;  // numbers of a head that are rotated, even
  double theta;
  RotaryScaling scaling = {};
  // How many of the dim / 2 frequencies go by each axis of a position (M-RoPE, arXiv:2409.12191,
  // section 2.1): the first ones by time, then by row, then by column. Empty: there is one axis.
  std::vector<int64_t> sections = {};
};

struct RotaryFrequencies {
  std::vector<double> radians;  // [dim / 2], what the angle grows by with each position
  double amplitude = 1.0;       // factor on cos and sin
};

// `max_positions`: the longest context that is served.
RotaryFrequencies rotary_frequencies(const RotarySpec& spec, int64_t max_positions);

class Rotary {
 public:
  Rotary(const Weights& w, const RotarySpec& spec, int64_t max_positions);

  // The rows of this step's positions.
  RotaryTable operator()(Step& step) const;

 private:
  // Neighboring frequencies that go by one axis: f32 [max_positions, frequencies of it].
  struct Axis {
    Tensor cos, sin;
  };
  std::vector<Axis> axes_;
};

// Cosines and sines of position * frequency for positions below max_positions, times the amplitude,
// for frequencies [first, first + count).
struct AngleTable {
  std::vector<float> cos, sin;  // [max_positions, count]
};
AngleTable angle_table(const RotaryFrequencies& f, int64_t max_positions, int64_t first,
                       int64_t count);

}  // namespace pagoda
