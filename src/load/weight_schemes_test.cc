#include "load/weight_schemes.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <limits>

#include "load/compressed_tensors.h"
#include "load/packed_scheme.h"
#include "load/random_weights.h"
#include "load/test_quantized.h"

namespace pagoda {
namespace {

// One config group with these keys in its weights, and more keys of the whole.
HfConfig config_of(const std::string& weights, const std::string& more = "") {
  const std::string text =
      R"({"quantization_config":{"quant_method":"compressed-tensors","format":"pack-quantized",)"
      R"("ignore":["lm_head","re:.*\\.gate$"],"config_groups":{"group_0":{"targets":["Linear"],)"
      R"("weights":{"type":"int",)" +
      weights + "}}}" + more + "}}";
  return {boost::json::parse(text).as_object(), "config.json"};
}

constexpr const char* kInt4 = R"("num_bits":4,"strategy":"group","group_size":8)";

// Values -8 to 7 as weight_packed has them, `columns` a row.
std::string packed_int4(const std::vector<int>& values, size_t columns) {
  const size_t words = (columns + 7) / 8;
  std::string bytes(values.size() / columns * words * 4, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t nibble = i / columns * words * 8 + i % columns;
    bytes[nibble / 2] = static_cast<char>(static_cast<unsigned char>(bytes[nibble / 2]) |
                                          static_cast<unsigned>(values[i] + 8) << (nibble % 2 * 4));
  }
  return bytes;
}

std::vector<int> ramp(int count) {
  std::vector<int> values(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) values[static_cast<size_t>(i)] = i * 5 % 16 - 8;
  return values;
}

// <name> [2, 16] in groups of 8, scales 1, 2 and 3, 4.
std::vector<TestTensor> grouped(const std::string& name) {
  return {{name + ".weight_packed", "I32", {2, 2}, packed_int4(ramp(32), 16)},
          {name + ".weight_scale", "F32", {2, 2}, bytes_of_values<float>({1, 2, 3, 4})},
          {name + ".weight_shape", "I64", {2}, bytes_of_values<int64_t>({2, 16})}};
}

// What they are.
std::vector<float> grouped_values() {
  std::vector<float> values;
  for (const int q : ramp(32)) {
    const size_t group = values.size() / 8;
    values.push_back(static_cast<float>(q) * static_cast<float>(1 + group));
  }
  return values;
}

using Fixture = QuantizedFixture;

}  // namespace

TEST_CASE("packed whole numbers keep their format, and every tensor of theirs is used") {
  Fixture f(config_of(kInt4), grouped("a"));
  const Matrix& a = (f.root() / "a").matrix({2, 16}, whole_part(2));
  CHECK(a.spec().format == WeightFormat{.values = Encoding::kInt4, .group = 8});
  CHECK(values_of(a) == grouped_values());
  CHECK(f.store->unused().empty());
}

TEST_CASE("a rank's inputs are whole groups") {
  Fixture f(config_of(kInt4), grouped("a"), /*rank=*/1, /*ranks=*/2);
  const Weights w = f.root() / "a";
  const Matrix& a = w.matrix({2, 16}, whole_part(2), w.share_inputs(16));
  CHECK(a.spec().format.is_quantized());
  const std::vector<float> all = grouped_values();
  std::vector<float> mine(all.begin() + 8, all.begin() + 16);
  mine.insert(mine.end(), all.begin() + 24, all.end());
  CHECK(values_of(a) == mine);
}

TEST_CASE("zero points are packed along the outputs") {
  std::vector<TestTensor> tensors = grouped("a");
  // Of rows 0 and 1: -8 and 7 in group 0, 1 and 0 in group 1.
  tensors.push_back({"a.weight_zero_point", "I32", {1, 2}, bytes_of_values<int32_t>({0xF0, 0x89})});
  Fixture f(config_of(std::string(kInt4) + R"(,"symmetric":false)"), tensors);
  const Matrix& a = (f.root() / "a").matrix({2, 16}, whole_part(2));
  constexpr float kZeros[] = {-8, 1, 7, 0};
  std::vector<float> expected = grouped_values();
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t group = i / 8;
    expected[i] -= kZeros[group] * static_cast<float>(1 + group);
  }
  CHECK(values_of(a) == expected);
}

TEST_CASE("inputs of a group may lie anywhere, for every rank") {
  std::vector<TestTensor> tensors = grouped("a");
  std::vector<int32_t> order(16);
  for (size_t i = 0; i < order.size(); ++i) order[i] = i % 3 == 0 ? 1 : 0;
  tensors.push_back({"a.weight_g_idx", "I32", {16}, bytes_of_values(order)});
  for (const int rank : {0, 1}) {
    Fixture f(config_of(std::string(kInt4) + R"(,"actorder":"group")"), tensors, rank, 2);
    const Weights w = f.root() / "a";
    const Matrix& a = w.matrix({2, 16}, whole_part(2), w.share_inputs(16));
    CHECK(a.spec().format.ordered_groups == 2);
    std::vector<float> expected;
    for (int i = 0; i < 16; ++i) {
      const int row = i / 8, column = rank * 8 + i % 8;
      const int scale = 1 + 2 * row + order[static_cast<size_t>(column)];
      const int value = ramp(32)[static_cast<size_t>(16) * row + column];
      expected.push_back(static_cast<float>(value * scale));
    }
    CHECK(values_of(a) == expected);
  }
  tensors.back().bytes = bytes_of_values(std::vector<int32_t>(16, 2));
  Fixture f(config_of(std::string(kInt4) + R"(,"actorder":"group")"), tensors);
  CHECK(error_of([&] {
          (f.root() / "a").matrix({2, 16}, whole_part(2));
        }) == "a.weight_g_idx: names group 2 of 2; get the model again");
}

TEST_CASE("rows of an odd number of 4-bit values are read as they are") {
  Fixture f(config_of(R"("num_bits":4,"strategy":"channel")"),
            {{"a.weight_packed", "I32", {3, 2}, packed_int4(ramp(33), 11)},
             {"a.weight_scale", "F32", {3, 1}, bytes_of_values<float>({1, 1, 1})}});
  std::vector<float> expected;
  for (const int q : ramp(33)) expected.push_back(static_cast<float>(q));
  const Matrix& a = (f.root() / "a").matrix({3, 11}, whole_part(3));
  CHECK(values_of(a) == expected);
  const Part row{.unit = 1, .units = {2}, .padded_units = 2};
  expected.erase(expected.begin(), expected.begin() + 22);
  expected.resize(22);
  CHECK(values_of((f.root() / "a").matrix({3, 11}, row)) == expected);
}

TEST_CASE("bands of one format stand in one matrix, others beside it") {
  std::vector<TestTensor> tensors = grouped("q");
  for (const TestTensor& t : grouped("k")) tensors.push_back(t);
  tensors.push_back({"v.weight", "F32", {2, 16}, bytes_of_values(grouped_values())});
  Fixture f(config_of(kInt4), tensors);
  const auto qkv = f.root().stacked(
      {{"q", 2, whole_part(2)}, {"k", 2, whole_part(2)}, {"v", 2, whole_part(2)}}, 16);
  REQUIRE(qkv.size() == 2);
  CHECK(qkv[0]->spec().out == 4);
  CHECK(qkv[0]->spec().format.values == Encoding::kInt4);
  CHECK(values_of(*qkv[1]) == grouped_values());
  CHECK(!qkv[1]->spec().format.is_quantized());
}

TEST_CASE("experts of different formats meet in floats") {
  std::vector<TestTensor> tensors = grouped("experts.0.up");
  tensors.push_back({"experts.1.up.weight", "F32", {2, 16}, bytes_of_values(grouped_values())});
  Fixture f(config_of(kInt4), tensors);
  const Matrix& m = (f.root() / "experts")
                        .numbered(std::vector<int64_t>{0, 1}, {{"up", 2, whole_part(2)}}, 16,
                                  share_part(2, 4, 0, 1));
  CHECK(m.spec().format == WeightFormat{.values = Encoding::kF32});
  CHECK(values_of(m).size() == 32);
  CHECK(values_of(m)[9] == grouped_values()[17]);
  CHECK(values_of(m)[25] == grouped_values()[17]);
}

TEST_CASE("slices that are transposed become floats") {
  Fixture f(config_of(kInt4), grouped("kv"));
  const std::vector<Part> slices = {{.unit = 1, .units = {1}, .padded_units = 1}};
  const Matrix& m = (f.root() / "kv").sliced_transposed({2, 16}, slices);
  CHECK(m.spec().out == 16);
  const std::vector<float> all = grouped_values();
  CHECK(values_of(m) == std::vector<float>(all.begin() + 16, all.end()));
}

TEST_CASE("what is ignored, or no projection, stays plain") {
  const HfConfig config = config_of(kInt4);
  const WeightSchemes schemes = weight_schemes_of(config.keys());
  const auto is_packed = [&](std::string_view module) {
    return dynamic_cast<const PackedScheme*>(&schemes.of(module)) != nullptr;
  };
  CHECK(is_packed("model.layers.0.mlp.gate_proj"));
  CHECK(!is_packed("model.layers.0.mlp.gate"));
  CHECK(!is_packed("lm_head"));
  CHECK(!is_packed("model.embed_tokens"));
}

TEST_CASE("a weight that is stored twice is refused") {
  std::vector<TestTensor> tensors = grouped("a");
  tensors.push_back({"a.weight", "F32", {2, 16}, bytes_of_values(grouped_values())});
  Fixture f(config_of(kInt4), tensors);
  CHECK(error_of([&] {
          (f.root() / "a").matrix({2, 16}, whole_part(2));
        }) ==
        "a: is there both as weight_packed and as weight, expected one; remove the file that does "
        "not belong to the model");
}

TEST_CASE("a scale that is not finite is refused where it stands, for every rank that reads it") {
  constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  std::vector<TestTensor> tensors = grouped("a");
  tensors[1].bytes = bytes_of_values<float>({1, 2, kNone, 4});
  for (const int ranks : {1, 2}) {
    Fixture f(config_of(kInt4), tensors, /*rank=*/0, ranks);
    const Weights w = f.root() / "a";
    CHECK(
        error_of([&] {
          w.matrix({2, 16}, whole_part(2), w.share_inputs(16));
        }) ==
        "a.weight_scale: is nan in row 1, group 0, expected a finite number; get the model again");
  }
  tensors[1] = {"a.weight_scale", "F16", {2, 2}, bytes_of_values<uint16_t>({0, 0x7C00, 0, 0})};
  Fixture f(config_of(kInt4), tensors);
  const std::vector<Part> slices = {whole_part(2)};
  CHECK(error_of([&] {
          (f.root() / "a").sliced_transposed({2, 16}, slices);
        }) ==
        "a.weight_scale: is inf in row 0, group 1, expected a finite number; get the model again");
}

TEST_CASE("groups that do not divide the inputs are refused") {
  Fixture f(config_of(R"("num_bits":4,"strategy":"group","group_size":32)"), grouped("a"));
  CHECK(error_of([&] {
          (f.root() / "a").matrix({2, 16}, whole_part(2));
        }) ==
        "a: has 16 inputs, not a multiple of group_size 32 in quantization_config; correct "
        "config.json");
}

TEST_CASE("what cannot be computed with is refused by its name") {
  const std::string end = ", or a checkpoint in bfloat16, float16 or float32";
  const auto refusal = [](const std::string& weights, const std::string& more = "") {
    return error_of([&] { weight_schemes_of(config_of(weights, more).keys()); });
  };
  const std::string where = "config.json: quantization_config: config_groups: group_0: weights: ";
  CHECK(refusal(R"("num_bits":3)") ==
        where + "num_bits 3 is not supported; supported is 4 and 8" + end);
  CHECK(refusal(R"("num_bits":4,"strategy":"block")") ==
        where + "strategy \"block\" is not supported; supported is group, channel" + end);
  CHECK(refusal(kInt4, R"(,"kv_cache_scheme":{"num_bits":8})") ==
        "config.json: quantization_config: kv_cache_scheme is not supported; supported is null" +
            end);
  CHECK(
      refusal(kInt4, R"(,"ignore":["re:("])").starts_with("quantization_config: pattern \"re:(\""));
}

TEST_CASE("random weights have quantized forms too") {
  const WeightSchemes schemes = weight_schemes_of(config_of(kInt4).keys());
  const auto source = make_random_weights(1, DType::kBF16);
  TestDevice device;
  WeightStore store(*source, device, {.schemes = &schemes});
  const Matrix& a = (store.root() / "a").matrix({8, 64}, whole_part(8));
  CHECK(a.spec().format.values == Encoding::kInt4);
  for (const float x : values_of(a)) CHECK(std::abs(x) < 0.1f);
  CHECK(
      !(store.root() / "embed_tokens").matrix({8, 64}, whole_part(8)).spec().format.is_quantized());
}

}  // namespace pagoda
