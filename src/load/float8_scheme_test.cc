#include "load/float8_scheme.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "load/random_weights.h"
#include "load/test_quantized.h"

namespace pagoda {
namespace {

HfConfig config_of(const std::string& keys) {
  return {boost::json::parse(R"({"quantization_config":{"quant_method":"fp8")" + keys + "}}")
              .as_object(),
          "config.json"};
}

constexpr const char* kBlocks = R"(,"activation_scheme":"dynamic","weight_block_size":[2,8])";

// Whole numbers from 0 to 15, which float8 has all.
std::vector<int> numbers(int count) {
  std::vector<int> numbers(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) numbers[static_cast<size_t>(i)] = i * 7 % 16;
  return numbers;
}

std::string float8_bytes(const std::vector<int>& numbers) {
  constexpr uint8_t kBits[] = {0x00, 0x38, 0x40, 0x44, 0x48, 0x4A, 0x4C, 0x4E,
                               0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57};
  std::string bytes;
  for (const int number : numbers) bytes += static_cast<char>(kBits[number]);
  return bytes;
}

// <name> [3, 20] in blocks of [2, 8], of which the last ones are cut: scales 1 to 6.
std::vector<TestTensor> in_blocks(const std::string& name) {
  return {{name + ".weight", "F8_E4M3", {3, 20}, float8_bytes(numbers(60))},
          {name + ".weight_scale_inv", "F32", {2, 3}, bytes_of_values<float>({1, 2, 3, 4, 5, 6})}};
}

// Columns [first, end) of them.
std::vector<float> block_values(size_t first = 0, size_t end = 20) {
  std::vector<float> values;
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = first; column < end; ++column) {
      const size_t block = row / 2 * 3 + column / 8;
      values.push_back(static_cast<float>(numbers(60)[row * 20 + column]) *
                       static_cast<float>(1 + block));
    }
  }
  return values;
}

// <name> [2, 4], times 0.5.
std::vector<TestTensor> by_tensor(const std::string& name, const std::vector<int64_t>& shape) {
  return {{name + ".weight", "F8_E4M3", {2, 4}, float8_bytes(numbers(8))},
          {name + ".weight_scale", "F32", shape, bytes_of_values<float>({0.5f})}};
}

std::vector<float> halves() {
  std::vector<float> values;
  for (const int number : numbers(8)) values.push_back(0.5f * static_cast<float>(number));
  return values;
}

}  // namespace

TEST_CASE("scales of blocks become scales of rows and groups, also where blocks are cut") {
  QuantizedFixture f(config_of(kBlocks), in_blocks("a"));
  const Matrix& a = (f.root() / "a").matrix({3, 20}, whole_part(3));
  CHECK(a.spec().format == WeightFormat{.values = Encoding::kF8E4M3, .group = 8});
  CHECK(values_of(a) == block_values());
  CHECK(f.store->unused().empty());
}

TEST_CASE("a rank's inputs are whole blocks, and a cut inside of them keeps their scales") {
  QuantizedFixture f(config_of(kBlocks), in_blocks("a"), /*rank=*/0, /*ranks=*/2);
  const Weights w = f.root() / "a";
  const Matrix& first = w.matrix({3, 20}, whole_part(3), w.share_inputs(20));
  CHECK(first.spec().format.group == 8);
  CHECK(values_of(first) == block_values(0, 16));
  const Part heads = {.unit = 10, .units = {1}, .padded_units = 1};
  CHECK(values_of(w.matrix({3, 20}, whole_part(3), heads)) == block_values(10, 20));
}

TEST_CASE("projections beside each other keep scales of their own in one matrix") {
  std::vector<TestTensor> tensors = in_blocks("q");
  for (const TestTensor& t : in_blocks("k")) tensors.push_back(t);
  tensors.back().bytes = bytes_of_values<float>({2, 4, 6, 8, 10, 12});
  QuantizedFixture f(config_of(kBlocks), tensors);
  const auto qk = f.root().stacked({{"q", 3, whole_part(3)}, {"k", 3, whole_part(3)}}, 20);
  REQUIRE(qk.size() == 1);
  std::vector<float> expected = block_values();
  for (const float value : block_values()) expected.push_back(2.0f * value);
  CHECK(values_of(*qk.front()) == expected);
}

TEST_CASE("without blocks a tensor has one scale, with a dimension or without") {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{1}, std::vector<int64_t>{}}) {
    std::vector<TestTensor> tensors = by_tensor("a", shape);
    tensors.push_back({"a.input_scale", "F32", shape, bytes_of_values<float>({2})});
    QuantizedFixture f(config_of(R"(,"activation_scheme":"static")"), tensors);
    const Matrix& a = (f.root() / "a").matrix({2, 4}, whole_part(2));
    CHECK(a.spec().format == WeightFormat{.values = Encoding::kF8E4M3});
    CHECK(values_of(a) == halves());
    CHECK(f.store->unused().empty());
  }
}

TEST_CASE("modules that have no scale, or that the configuration leaves out, are plain") {
  std::vector<TestTensor> tensors = by_tensor("a", {});
  tensors.push_back({"b.weight", "F32", {2, 4}, bytes_of_values(halves())});
  tensors.push_back({"c.weight", "F32", {2, 4}, bytes_of_values(halves())});
  tensors.push_back({"c.weight_scale", "F32", {1}, bytes_of_values<float>({9})});
  QuantizedFixture f(config_of(R"(,"modules_to_not_convert":["c"])"), tensors);
  for (const char* name : {"b", "c"}) {
    const Matrix& plain = (f.root() / name).matrix({2, 4}, whole_part(2));
    CHECK(plain.spec().format == WeightFormat{.values = Encoding::kF32});
    CHECK(values_of(plain) == halves());
  }
}

TEST_CASE("values without a scale, and scales that are not finite, are told") {
  QuantizedFixture plain(config_of(""), {by_tensor("a", {}).front()});
  CHECK(error_of([&] {
          (plain.root() / "a").matrix({2, 4}, whole_part(2));
        })
            .starts_with("a.weight: is F8_E4M3 in the file, expected F32, F16 or BF16; get the "
                         "model in one of these (file "));
  std::vector<TestTensor> tensors = in_blocks("a");
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  tensors.back().bytes = bytes_of_values<float>({1, 2, 3, 4, kInfinity, 6});
  QuantizedFixture f(config_of(kBlocks), tensors);
  CHECK(error_of([&] {
          (f.root() / "a").matrix({3, 20}, whole_part(3));
        }) ==
        "a.weight_scale_inv: is inf in row 2, group 1, expected a finite number; get the model "
        "again");
}

TEST_CASE("what cannot be computed with is refused by its name") {
  const auto refusal = [](const char* keys) {
    return error_of([&] { weight_schemes_of(config_of(keys).keys()); });
  };
  CHECK(refusal(R"(,"fmt":"e5m2")") ==
        "config.json: quantization_config: fmt \"e5m2\" is not supported; supported is e4m3, or a "
        "checkpoint in bfloat16, float16 or float32");
  CHECK(refusal(R"(,"activation_scheme":"token")") ==
        "config.json: quantization_config: activation_scheme \"token\" is not supported; supported "
        "is dynamic and static, or a checkpoint in bfloat16, float16 or float32");
  for (const char* size :
       {"[128]", "[0, 128]", "[128, 12]", "[128, 128, 1]", "[1, 9223372036854775800]"}) {
    CHECK(refusal(str(R"(,"weight_block_size":)", size).c_str()) ==
          str("config.json: quantization_config: weight_block_size is ", size,
              ", expected [rows, columns] of at most 1048576, the columns a multiple of 8; correct "
              "the "
              "file or --hf-overrides"));
  }
}

TEST_CASE("random weights are finite, and neither head, router nor embedding is quantized") {
  const WeightSchemes schemes = weight_schemes_of(config_of(kBlocks).keys());
  const auto source = make_random_weights(1, DType::kBF16);
  TestDevice device;
  WeightStore store(*source, device, {.schemes = &schemes});
  const auto matrix_of = [&](const char* name) -> const Matrix& {
    return (store.root() / name).matrix({64, 64}, whole_part(64));
  };
  for (const float x : values_of(matrix_of("layers.0.mlp.gate_proj"))) CHECK(std::abs(x) < 1.0f);
  CHECK(matrix_of("layers.0.mlp.gate_proj").spec().format.is_quantized());
  for (const char* name :
       {"lm_head", "layers.0.mlp.gate", "layers.0.mlp.shared_expert_gate", "model.embed_tokens"}) {
    CHECK(!matrix_of(name).spec().format.is_quantized());
  }
}

}  // namespace pagoda
