#include "nn/rotary.h"

#include <doctest/doctest.h>

#include <cmath>

#include "load/random_weights.h"
#include "load/test_device.h"
#include "load/weight_store.h"
#include "load/weights.h"

namespace pagoda {
namespace {

RotaryFrequencies frequencies_of(const RotaryScaling& scaling, int64_t longest = 64) {
  return rotary_frequencies({.dim = 8, .theta = 10000.0, .scaling = scaling}, longest);
}

// Near enough that only rounding differs.
bool are_near(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::abs(a[i] - b[i]) > 1e-12 * b[i]) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("without scaling, frequencies fall from 1 by equal factors") {
  CHECK(are_near(frequencies_of(Unscaled{}).radians, {1.0, 0.1, 0.01, 0.001}));
  CHECK(frequencies_of(Unscaled{}).amplitude == 1.0);
}

TEST_CASE("linear scaling divides all frequencies") {
  CHECK(are_near(frequencies_of(LinearScaling{4.0}).radians, {0.25, 0.025, 0.0025, 0.00025}));
}

TEST_CASE("dynamic scaling is that of the longest context, whatever a request's length") {
  // theta * (4 * 4 - 3) ^ (8 / 6)
  const double theta = 10000.0 * std::pow(13.0, 4.0 / 3.0);
  CHECK(are_near(frequencies_of(DynamicScaling{4.0}).radians,
                 {1.0, std::pow(theta, -0.25), std::pow(theta, -0.5), std::pow(theta, -0.75)}));
}

TEST_CASE("llama3 scaling keeps short wavelengths and divides long ones") {
  const RotaryFrequencies f = frequencies_of(WavelengthScaling{
      .factor = 8.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_context = 64.0});
  CHECK(f.radians[0] == 1.0);  // turns 10 times within the context
  CHECK(f.radians[1] > 0.1 / 8.0);
  CHECK(f.radians[1] < 0.1);
  CHECK(f.radians[2] == doctest::Approx(0.01 / 8.0));
  CHECK(f.radians[3] == doctest::Approx(0.001 / 8.0));
}

TEST_CASE("yarn keeps frequencies that turn often, divides those that hardly do, and amplifies") {
  const RotaryFrequencies f = frequencies_of(YarnScaling{.factor = 4.0,
                                                         .original_context = 64.0,
                                                         .beta_fast = 32.0,
                                                         .beta_slow = 1.0,
                                                         .truncate = true,
                                                         .amplitude = 1.5});
  CHECK(f.amplitude == 1.5);
  CHECK(f.radians[0] == 1.0);
  CHECK(f.radians[3] == doctest::Approx(0.001 / 4.0));
}

TEST_CASE("longrope divides by the long factors where the longest context is beyond the old one") {
  const LongScaling by = {.short_factors = {1.0, 1.0, 2.0, 2.0},
                          .long_factors = {1.0, 2.0, 4.0, 8.0},
                          .original_context = 64.0,
                          .amplitude = 1.2};
  CHECK(are_near(frequencies_of(by, 64).radians, {1.0, 0.1, 0.005, 0.0005}));
  CHECK(are_near(frequencies_of(by, 65).radians, {1.0, 0.05, 0.0025, 0.000125}));
  CHECK(frequencies_of(by, 64).amplitude == 1.2);
  CHECK(frequencies_of(by, 65).amplitude == 1.2);
}

TEST_CASE("frequencies keep their value whatever axis they go by") {
  CHECK(are_near(
      rotary_frequencies({.dim = 8, .theta = 10000.0, .scaling = {}, .sections = {1, 1, 2}}, 64)
          .radians,
      {1.0, 0.1, 0.01, 0.001}));
}

TEST_CASE("every axis gets the frequencies of its section") {
  TestDevice device;
  const auto source = make_random_weights(1, DType::kF32);
  WeightStore store(*source, device, {});
  const int64_t before = store.bytes();
  const Rotary rotary(store.root(),
                      {.dim = 8, .theta = 10000.0, .scaling = {}, .sections = {1, 1, 2}}, 64);
  CHECK(store.bytes() - before == 2 * 4 * 64 * 4);  // cos and sin of 4 frequencies, all in all
}

}  // namespace pagoda
