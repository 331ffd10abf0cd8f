// Checkpoints whose projections are stored in different forms.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "load/weight_schemes.h"
#include "models/test_golden.h"
#include "models/test_world.h"
#include "tensor/matrix.h"

namespace pagoda {
namespace {

// Floats that were whole numbers.
class WideTensor final : public StoredTensor {
 public:
  explicit WideTensor(std::vector<float> values) : values_(std::move(values)) {}
  Encoding encoding() const override { return Encoding::kF32; }
  const std::byte* read(int64_t first, int64_t /*count*/, std::byte* /*scratch*/) const override {
    return reinterpret_cast<const std::byte*>(values_.data() + first);
  }

 private:
  const std::vector<float> values_;
};

std::vector<float> widened(const StoredWeight& weight, std::span<const int64_t> shape) {
  const int64_t rows = shape[0], columns = shape[1], groups = weight.format.groups(columns);
  std::vector<std::byte> values(static_cast<size_t>(rows * columns)), scales(values.size() * 4),
      zeros(values.size());
  const std::byte* v = weight.values->read(0, rows * columns, values.data());
  const std::byte* s = weight.scales->read(0, rows * groups, scales.data());
  weight.zeros->read(0, rows * groups, zeros.data());
  const auto count = static_cast<size_t>(rows * groups);
  const Panel panel = {
      .values = {v, values.size()},
      .scales = {s, static_cast<size_t>(bytes_of(weight.format.scales, rows * groups))},
      .zeros = {reinterpret_cast<const int8_t*>(zeros.data()), count}};
  std::vector<float> out(static_cast<size_t>(rows * columns));
  const MatrixSpec spec = {.out = rows, .in = columns, .format = weight.format};
  for (int64_t r = 0; r < rows; ++r) {
    widen(out.data() + r * columns, panel, spec, {.row = r, .first = 0, .count = columns});
  }
  return out;
}

// The checkpoint, but that modules whose names end so have a plain weight of the same numbers.
class PartlyWidened final : public WeightSource {
 public:
  PartlyWidened(const WeightSource& source, const WeightSchemes& schemes,
                std::vector<std::string> ends)
      : source_(source), schemes_(schemes), ends_(std::move(ends)) {}

  bool has(std::string_view name) const override {
    const auto [module, tensor] = split(name);
    if (!is_widened(module)) return source_.has(name);
    return tensor == "weight" || (tensor == "bias" && source_.has(name));
  }
  std::unique_ptr<StoredTensor> open(const std::string& name, std::span<const int64_t> shape,
                                     Numbers numbers) const override {
    const auto [module, tensor] = split(name);
    if (!is_widened(module) || tensor != "weight") return source_.open(name, shape, numbers);
    const StoredWeight stored = schemes_.of(module).open({source_, module, nullptr}, shape);
    return std::make_unique<WideTensor>(widened(stored, shape));
  }
  std::vector<std::string> names() const override { return source_.names(); }
  int64_t total_bytes() const override { return source_.total_bytes(); }
  std::optional<Encoding> first_encoding() const override { return source_.first_encoding(); }
  std::string description() const override { return source_.description(); }

 private:
  static std::pair<std::string, std::string> split(std::string_view name) {
    const size_t dot = name.rfind('.');
    return {std::string(name.substr(0, dot)), std::string(name.substr(dot + 1))};
  }
  bool is_widened(std::string_view module) const {
    return std::any_of(ends_.begin(), ends_.end(),
                       [&](const std::string& end) { return module.ends_with(end); });
  }

  const WeightSource& source_;
  const WeightSchemes& schemes_;
  const std::vector<std::string> ends_;
};

// The logits of a prompt by the reference backend.
std::vector<float> logits_with(const std::vector<std::string>& widened_modules) {
  const auto folder =
      std::filesystem::path(PAGODA_SOURCE_DIR) / "testdata" / "models" / "ct-w4a16-asym";
  const Golden golden = read_golden(folder);
  const auto source = open_checkpoint(folder);
  const WeightSchemes schemes = golden.definition.schemes();
  const PartlyWidened mixed(*source, schemes, widened_modules);
  const TestRank rank = {open_device("ref", {}), std::make_unique<SoloCommunicator>()};
  TestRunner runner(golden.definition, mixed, rank, {});
  TestSequence sequence = sequence_of(golden, 0, runner);
  return runner.step({{&sequence, std::ssize(sequence.tokens)}});
}

}  // namespace

TEST_CASE("bands of one projection may be stored in different forms") {
  const std::vector<float> all_packed = logits_with({});
  CHECK(logits_with({"k_proj"}) == all_packed);
  CHECK(logits_with({"q_proj", "v_proj", "up_proj"}) == all_packed);
  CHECK(logits_with({"proj"}) == all_packed);
}

}  // namespace pagoda
