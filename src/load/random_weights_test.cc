#include "load/random_weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "load/test_device.h"
#include "load/test_files.h"
#include "load/weight_store.h"
#include "load/weights.h"

namespace pagoda {
namespace {

constexpr int64_t kRows = 64, kColumns = 256, kCount = kRows * kColumns;

std::vector<float> read(uint64_t seed, DType dtype, const std::string& name, int64_t first,
                        int64_t count) {
  const auto source = make_random_weights(seed, dtype);
  const auto tensor = source->open(name, std::vector<int64_t>{kRows, kColumns}, Numbers::kFloats);
  std::vector<std::byte> scratch(static_cast<size_t>(count * 4));
  std::vector<float> values(static_cast<size_t>(count));
  to_floats(values.data(), tensor->read(first, count, scratch.data()), count, tensor->encoding());
  return values;
}

}  // namespace

TEST_CASE("a number depends on seed, name and place, not on how it is read") {
  const auto whole = read(1, DType::kBF16, "a.weight", 0, kCount);
  for (const int64_t first : {0, 1, 3, 255, 1001}) {
    for (const int64_t count : {1, 2, 5, 64}) {
      const auto part = read(1, DType::kBF16, "a.weight", first, count);
      CHECK(std::equal(part.begin(), part.end(), whole.begin() + first));
    }
  }
  CHECK(read(2, DType::kBF16, "a.weight", 0, 100) != read(1, DType::kBF16, "a.weight", 0, 100));
  CHECK(read(1, DType::kBF16, "b.weight", 0, 100) != read(1, DType::kBF16, "a.weight", 0, 100));
}

TEST_CASE("matrices have the variance 1 / columns and the mean 0 in every dtype") {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    const auto values = read(3, dtype, "a.weight", 0, kCount);
    double sum = 0, squares = 0;
    for (const float value : values) {
      sum += value;
      squares += double{value} * value;
    }
    const auto n = static_cast<double>(values.size());
    CHECK(std::abs(sum / n) < 0.001);  // four times its own deviation, 1 / sqrt(256 n)
    CHECK(squares / n * 256 == doctest::Approx(1).epsilon(0.03));
  }
}

TEST_CASE("gains are 1, biases small, and every name is there") {
  const auto source = make_random_weights(7, DType::kBF16);
  TestDevice device;
  WeightStore store(*source, device, {});
  const Weights w = store.root();
  CHECK(w.has("anything"));
  CHECK(values_of((w / "norm").vector(3)) == std::vector<float>{1, 1, 1});
  const auto bias = values_of((w / "q_proj").bias(64, whole_part(64)));
  const auto [low, high] = std::minmax_element(bias.begin(), bias.end());
  CHECK(*low > -0.03f);
  CHECK(*low < -0.01f);
  CHECK(*high < 0.03f);
  CHECK(store.unused().empty());
}

TEST_CASE("two ranks hold the two halves of what one rank holds") {
  const auto source = make_random_weights(7, DType::kF32);
  TestDevice device(5);
  WeightStore whole(*source, device, {});
  const auto all = values_of((whole.root() / "a").matrix({8, 6}, whole_part(8), whole_part(6)));
  std::vector<float> halves;
  for (const int rank : {0, 1}) {
    WeightStore half(*source, device, {DType::kBF16, rank, 2, nullptr});
    const Weights w = half.root();
    const auto values = values_of((w / "a").matrix({8, 6}, w.share(8), w.whole(6)));
    halves.insert(halves.end(), values.begin(), values.end());
  }
  CHECK(halves == all);
}

}  // namespace pagoda
