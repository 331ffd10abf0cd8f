#include "models/rotary_keys.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cmath>

#include "base/error.h"
#include "load/hf_config.h"

namespace pagoda {
namespace {

HfConfig config(std::string_view text) {
  return {boost::json::parse({text.data(), text.size()}).as_object(), "config.json"};
}

// Of heads of 8 numbers with this rope_scaling.
RotarySpec spec_with(const std::string& scaling) {
  return rotary_of(
      config(R"({"max_position_embeddings":64,"rope_scaling":)" + scaling + "}").keys(), 8);
}

// Of a model of 4096 positions, with `more` keys.
int64_t max_positions_with(const std::string& more) {
  return max_positions_of(config(R"({"max_position_embeddings":4096)" + more + "}").keys());
}

}  // namespace

TEST_CASE("an odd head dimension is refused") {
  CHECK_THROWS_WITH_AS(rotary_of(config("{}").keys(), 15),
                       "config.json: head_dim is 15, expected an even number: rotary turns pairs",
                       Error);
}

TEST_CASE("rotary is found where either generation of files has it") {
  const RotarySpec before = rotary_of(
      config(
          R"({"max_position_embeddings":64,"rope_theta":1e6,"rope_scaling":{"type":"linear","factor":2.0}})")
          .keys(),
      16);
  CHECK(before.theta == 1e6);
  CHECK(std::get<LinearScaling>(before.scaling).factor == 2.0);
  const RotarySpec since = rotary_of(config(R"({"max_position_embeddings":64,"rope_scaling":null,
      "rope_parameters":{"rope_theta":5e5,"rope_type":"yarn","factor":4.0}})")
                                         .keys(),
                                     16);
  CHECK(since.theta == 5e5);
  CHECK(std::get<YarnScaling>(since.scaling).factor == 4.0);
  CHECK(rotary_of(config(R"({"max_position_embeddings":64})").keys(), 16).theta == 10000.0);
}

TEST_CASE("options go before what the file says of rotary") {
  const RotarySpec spec = rotary_of(config(R"({"max_position_embeddings":64,"rope_theta":1e6,
      "rope_scaling":{"type":"linear","factor":2.0},"rope_parameters":{"rope_theta":5e5,"rope_type":"linear","factor":4.0}})")
                                        .keys(),
                                    16);
  CHECK(spec.theta == 1e6);
  CHECK(std::get<LinearScaling>(spec.scaling).factor == 2.0);
}

TEST_CASE("a scaling is found under either spelling of its name") {
  CHECK(
      std::get<LinearScaling>(spec_with(R"({"rope_type":"linear","factor":4.0})").scaling).factor ==
      4.0);
  CHECK(std::get<LinearScaling>(spec_with(R"({"type":"linear","factor":4.0})").scaling).factor ==
        4.0);
  CHECK(std::holds_alternative<Unscaled>(spec_with(R"({"rope_type":"default"})").scaling));
  CHECK(std::holds_alternative<Unscaled>(spec_with("{}").scaling));
}

TEST_CASE("yarn's amplitude follows its factor, an explicit one, or the two mscales") {
  const auto amplitude = [](const std::string& scaling) {
    return std::get<YarnScaling>(spec_with(scaling).scaling).amplitude;
  };
  CHECK(amplitude(R"({"rope_type":"yarn","factor":4.0})") ==
        doctest::Approx(0.1 * std::log(4.0) + 1.0));
  CHECK(amplitude(R"({"rope_type":"yarn","factor":4.0,"attention_factor":1.5})") == 1.5);
  CHECK(amplitude(R"({"rope_type":"yarn","factor":4.0,"mscale":2.0,"mscale_all_dim":1.0})") ==
        doctest::Approx((0.2 * std::log(4.0) + 1.0) / (0.1 * std::log(4.0) + 1.0)));
}

TEST_CASE("yarn stretches from max_position_embeddings where no original context is named") {
  CHECK(std::get<YarnScaling>(spec_with(R"({"rope_type":"yarn","factor":4.0})").scaling)
            .original_context == 64.0);
}

TEST_CASE("a rotary scaling that is not known is refused with those that are") {
  CHECK_THROWS_WITH_AS(spec_with(R"({"rope_type":"other","factor":4.0})"),
                       "config.json: rope_scaling: rope_type \"other\" is not supported; "
                       "supported are default, mrope, linear, dynamic, llama3, yarn, longrope, su",
                       Error);
}

TEST_CASE("a factor that nothing can be divided by is refused") {
  CHECK_THROWS_WITH_AS(spec_with(R"({"type":"linear","factor":0})"),
                       "config.json: rope_scaling: factor is 0, expected a number above 0; correct "
                       "it",
                       Error);
}

namespace {

std::string long_factors() {
  return R"("short_factor":[1.0,1.0,1.5,2.0],"long_factor":[1.0,2.0,4.0,8.0])";
}

LongScaling longrope_with(const std::string& more) {
  return std::get<LongScaling>(rotary_of(config(R"({"max_position_embeddings":1024,)"
                                                R"("original_max_position_embeddings":64,)"
                                                R"("rope_scaling":{"type":"longrope",)" +
                                                long_factors() + more + "}}")
                                             .keys(),
                                         8)
                                   .scaling);
}

}  // namespace

TEST_CASE("longrope amplifies by how far the context is stretched, or as it is told") {
  CHECK(longrope_with("").original_context == 64.0);
  // sqrt(1 + ln 16 / ln 64)
  CHECK(longrope_with("").amplitude == doctest::Approx(std::sqrt(1.0 + 2.0 / 3.0)));
  CHECK(longrope_with(R"(,"factor":1.0)").amplitude == 1.0);
  CHECK(longrope_with(R"(,"attention_factor":1.25)").amplitude == 1.25);
}

TEST_CASE("longrope without a factor for each pair of numbers is refused") {
  CHECK_THROWS_WITH_AS(
      rotary_of(config(R"({"max_position_embeddings":64,"rope_scaling":{"type":"longrope",)" +
                       long_factors() + "}}")
                    .keys(),
                16),
      "config.json: rope_scaling: short_factor has 4 numbers, expected 8, one for each pair of a "
      "head's numbers that turn; correct it",
      Error);
  CHECK_THROWS_WITH_AS(
      spec_with(R"({"type":"longrope","short_factor":[1,1,0,1],"long_factor":[1,1,1,1]})"),
      "config.json: rope_scaling: short_factor must be a list of numbers above 0; correct it",
      Error);
}

TEST_CASE("the part of a head that turns is the share that the file names") {
  CHECK(rotary_dim_of(config(R"({"partial_rotary_factor":0.75})").keys(), 24, 1.0) == 18);
  CHECK(rotary_dim_of(config("{}").keys(), 24, 0.5) == 12);
  CHECK(rotary_dim_of(config(R"({"rope_parameters":{"partial_rotary_factor":0.25}})").keys(), 64,
                      1.0) == 16);
  CHECK_THROWS_WITH_AS(rotary_dim_of(config(R"({"partial_rotary_factor":1.5})").keys(), 24, 1.0),
                       "config.json: partial_rotary_factor is 1.5, expected a share of a head, "
                       "above 0 to 1; correct it",
                       Error);
}

TEST_CASE("sections of frequencies that do not make up those of a head are refused") {
  CHECK(spec_with(R"({"type":"mrope","mrope_section":[1,1,2]})").sections ==
        std::vector<int64_t>{1, 1, 2});
  CHECK_THROWS_WITH_AS(spec_with(R"({"type":"mrope","mrope_section":[16,24,24]})"),
                       "config.json: rope_scaling: mrope_section has 3 parts of 64 frequencies, "
                       "expected those of time, row and column, together the 4 of a head; correct "
                       "it",
                       Error);
  CHECK_THROWS_AS(spec_with(R"({"type":"mrope","mrope_section":[1,1,1,1]})"), Error);
  CHECK_THROWS_AS(spec_with(R"({"type":"mrope","mrope_section":[-1,3,2]})"), Error);
}

TEST_CASE("the longest context is max_position_embeddings, stretched as the rotary scaling says") {
  CHECK(max_positions_with("") == 4096);
  CHECK(max_positions_with(R"(,"rope_scaling":null)") == 4096);
  CHECK(max_positions_with(R"(,"rope_scaling":{"type":"linear","factor":2.5})") == 10240);
  CHECK(max_positions_with(R"(,"rope_scaling":{"rope_type":"dynamic","factor":4.0})") == 16384);
}

TEST_CASE("llama3 scaling is in max_position_embeddings already") {
  CHECK(max_positions_with(
            R"(,"rope_scaling":{"rope_type":"llama3","factor":8.0,
                "original_max_position_embeddings":1024})") == 4096);
}

TEST_CASE("longrope is in max_position_embeddings already") {
  CHECK(max_positions_with(R"(,"rope_scaling":{"type":"longrope","factor":32.0})") == 4096);
}

TEST_CASE("yarn stretches the original context, not max_position_embeddings") {
  CHECK(max_positions_with(
            R"(,"rope_scaling":{"rope_type":"yarn","factor":4.0,
                "original_max_position_embeddings":2048})") == 8192);
}

TEST_CASE("a factor that leaves no context is refused") {
  CHECK_THROWS_WITH_AS(max_positions_with(R"(,"rope_scaling":{"type":"linear","factor":-1.0})"),
                       "config.json: rope_scaling: factor stretches the context of 4096 tokens to "
                       "-4096, expected 1 to 2147483647; correct it",
                       Error);
}

TEST_CASE("the shortest of several lengths counts") {
  CHECK(max_positions_with(R"(,"seq_length":2048)") == 2048);
}

}  // namespace pagoda
