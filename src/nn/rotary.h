// Rotary position embedding (arXiv:2104.09864, eq. 34): the table of angles for every position, and
// the ways in which checkpoints stretch it to longer contexts.
//
// The table is computed once, in double precision, and depends on config.json alone, never on the
// length of a request.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include <cstdint>
#include <vector>

#include "load/hf_config.h"
#include "load/weights.h"
#include "nn/step.h"

namespace pagoda {

struct RotarySpec {
  int64_t dim;  // numbers of a head that are rotated
  double theta;
  int64_t max_position_embeddings;
  HfConfig scaling;  // rope_scaling of config.json; empty: none
};

struct RotaryFrequencies {
  std::vector<double> radians;  // [dim / 2], what the angle grows by with each position
  double amplitude = 1.0;       // factor on cos and sin
};

// Throws kConfig for a rope_type that is not known, with the list of those that are.
RotaryFrequencies rotary_frequencies(const RotarySpec& spec);

// The rope_type of a rope_scaling section (older files call it "type"); "default" where it is
// empty.
std::string rope_type_of(const HfConfig& scaling);

// What DeepSeek multiplies the scale of attention scores with beside YaRN: the square of what
// mscale_all_dim makes of the factor (DeepSeek-V2, modeling_deepseek.py); 1 without that key.
double yarn_score_factor(const HfConfig& scaling);

// With mrope_section (M-RoPE, arXiv:2409.12191, section 2.1) the frequencies are dealt over the
// axes of a position, the first ones to time, then to rows, then to columns.
class Rotary {
 public:
  // Throws kConfig where the sections are not three that make up all frequencies.
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
