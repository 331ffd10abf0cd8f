#include "nn/rotary.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cmath>

#include "base/error.h"
#include "load/random_weights.h"
#include "load/test_device.h"
#include "load/weight_store.h"

namespace pagoda {
namespace {

RotarySpec spec_of(std::string_view scaling) {
  return {.dim = 8,
          .theta = 10000.0,
          .max_position_embeddings = 64,
          .scaling = HfConfig(boost::json::parse({scaling.data(), scaling.size()}).as_object(),
                              "config.json: rope_scaling")};
}

std::vector<double> radians_of(std::string_view scaling) {
  return rotary_frequencies(spec_of(scaling)).radians;
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
  CHECK(are_near(radians_of("{}"), {1.0, 0.1, 0.01, 0.001}));
  CHECK(are_near(radians_of(R"({"rope_type":"default"})"), {1.0, 0.1, 0.01, 0.001}));
}

TEST_CASE("linear scaling divides all frequencies, under either spelling of its name") {
  CHECK(are_near(radians_of(R"({"rope_type":"linear","factor":4.0})"),
                 {0.25, 0.025, 0.0025, 0.00025}));
  CHECK(are_near(radians_of(R"({"type":"linear","factor":4.0})"), {0.25, 0.025, 0.0025, 0.00025}));
}

TEST_CASE("dynamic scaling is that of the longest context, whatever a request's length") {
  // theta * (4 * 4 - 3) ^ (8 / 6)
  const double theta = 10000.0 * std::pow(13.0, 4.0 / 3.0);
  CHECK(are_near(radians_of(R"({"rope_type":"dynamic","factor":4.0})"),
                 {1.0, std::pow(theta, -0.25), std::pow(theta, -0.5), std::pow(theta, -0.75)}));
}

TEST_CASE("yarn's amplitude follows its factor, an explicit one, or the two mscales") {
  const auto amplitude = [](std::string_view scaling) {
    return rotary_frequencies(spec_of(scaling)).amplitude;
  };
  CHECK(amplitude(R"({"rope_type":"yarn","factor":4.0})") ==
        doctest::Approx(0.1 * std::log(4.0) + 1.0));
  CHECK(amplitude(R"({"rope_type":"yarn","factor":4.0,"attention_factor":1.5})") == 1.5);
  CHECK(amplitude(R"({"rope_type":"yarn","factor":4.0,"mscale":2.0,"mscale_all_dim":1.0})") ==
        doctest::Approx((0.2 * std::log(4.0) + 1.0) / (0.1 * std::log(4.0) + 1.0)));
}

TEST_CASE("a rotary scaling that is not known is refused with those that are") {
  CHECK_THROWS_WITH_AS(radians_of(R"({"rope_type":"longrope","factor":4.0})"),
                       "config.json: rope_scaling: rope_type \"longrope\" is not supported; "
                       "supported are default, mrope, linear, dynamic, llama3, yarn",
                       Error);
}

TEST_CASE("sections of frequencies that do not make up those of a head are refused") {
  TestDevice device;
  const auto source = make_random_weights(1, DType::kF32);
  WeightStore store(*source, device, {});
  const auto table_of = [&](std::string_view scaling) {
    return Rotary(store.root(), spec_of(scaling), 64);
  };
  table_of(R"({"type":"mrope","mrope_section":[1,1,2]})");
  CHECK_THROWS_WITH_AS(table_of(R"({"type":"mrope","mrope_section":[16,24,24]})"),
                       "config.json: rope_scaling: mrope_section has 3 parts of 64 frequencies, "
                       "expected those of time, row and column, together the 4 of a head; correct "
                       "it",
                       Error);
  CHECK_THROWS_AS(table_of(R"({"type":"mrope","mrope_section":[1,1,1,1]})"), Error);
  CHECK_THROWS_AS(table_of(R"({"type":"mrope","mrope_section":[-1,3,2]})"), Error);
}

TEST_CASE("frequencies keep their value whatever axis they go by") {
  CHECK(
      are_near(radians_of(R"({"type":"mrope","mrope_section":[1,1,2]})"), {1.0, 0.1, 0.01, 0.001}));
}

}  // namespace pagoda
