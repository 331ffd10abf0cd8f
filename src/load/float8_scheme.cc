#include "load/float8_scheme.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include "base/str.h"
#include "load/plain_scheme.h"

namespace pagoda {
namespace {

constexpr std::string_view kBlockScale = "weight_scale_inv", kScale = "weight_scale",
                           kInputScale = "input_scale";

// What these checkpoints never store so and need not name: the head and what routes tokens. (Files
// show it by a scale that is not there; random weights have every name.)
constexpr std::array<std::string_view, 2> kNeverQuantized = {"lm_head",
                                                             R"(re:.*\.(shared_expert_)?gate$)"};

// Scales of blocks [ceil(rows / block_rows), groups] as scales of rows and groups.
class RowScales final : public StoredTensor {
 public:
  RowScales(std::unique_ptr<StoredTensor> blocks, int64_t block_rows, int64_t groups)
      : blocks_(std::move(blocks)), block_rows_(block_rows), groups_(groups) {}

  Encoding encoding() const override { return blocks_->encoding(); }

  const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const override {
    std::byte* out = scratch;
    for (int64_t at = first; at < first + count;) {
      const int64_t row = at / groups_, group = at % groups_;
      const int64_t run = std::min(groups_ - group, first + count - at);
      const auto bytes = static_cast<size_t>(bytes_of(encoding(), run));
      const std::byte* stored = blocks_->read(row / block_rows_ * groups_ + group, run, out);
      if (stored != out) std::memcpy(out, stored, bytes);
      out += bytes;
      at += run;
    }
    return scratch;
  }

 private:
  const std::unique_ptr<StoredTensor> blocks_;
  const int64_t block_rows_, groups_;
};

Float8Scheme::Block block_of(const JsonReader& quantization) {
  constexpr std::string_view kKey = "weight_block_size";
  constexpr int64_t kMostBlock = 1 << 20;  // far above every model's, and safe to reckon with
  const std::vector<int64_t> sizes = quantization.integers_or_empty(kKey);
  if (sizes.empty()) return {};
  const bool is_usable =
      sizes.size() == 2 && sizes[1] % 8 == 0 &&
      std::all_of(sizes.begin(), sizes.end(), [](int64_t s) { return s >= 1 && s <= kMostBlock; });
  if (!is_usable) {
    quantization.reject(kKey, "[rows, columns] of at most 1048576, the columns a multiple of 8");
  }
  return {.rows = sizes[0], .columns = sizes[1]};
}

void require_known(const JsonReader& quantization) {
  const std::string_view number = quantization.text_or("fmt", "e4m3");
  if (number != "e4m3") refuse_quantization(quantization, str("fmt \"", number, "\""), "e4m3");
  const std::string_view activations = quantization.text_or("activation_scheme", "dynamic");
  if (activations == "dynamic" || activations == "static") return;
  refuse_quantization(quantization, str("activation_scheme \"", activations, "\""),
                      "dynamic and static");
}

std::vector<ModulePattern> plain_modules(const JsonReader& quantization) {
  std::vector<ModulePattern> modules(kNeverQuantized.begin(), kNeverQuantized.end());
  for (const char* key : {"ignored_layers", "modules_to_not_convert"}) {
    for (const std::string& name : quantization.texts_or_empty(key)) modules.emplace_back(name);
  }
  return modules;
}

}  // namespace

std::string_view Float8Scheme::scale_name() const {
  return block_.rows > 0 ? kBlockScale : kScale;
}

bool Float8Scheme::is_plain(const ModuleTensors& tensors) const {
  return !tensors.has(scale_name());
}

int64_t Float8Scheme::input_unit() const {
  return std::max<int64_t>(block_.columns, 1);
}

StoredWeight Float8Scheme::open(const ModuleTensors& tensors,
                                std::span<const int64_t> shape) const {
  if (is_plain(tensors)) return PlainScheme().open(tensors, shape);
  const int64_t rows = shape[0];
  const int64_t columns =
      std::accumulate(shape.begin() + 1, shape.end(), int64_t{1}, std::multiplies<>());
  StoredWeight weight = {.format = {.values = Encoding::kF8E4M3, .group = block_.columns},
                         .values = tensors.open(kPlainWeight, shape, Numbers::kFloats8)};
  const int64_t groups = weight.format.groups(columns);
  const int64_t block_rows = block_.rows > 0 ? block_.rows : rows;
  const std::array blocks = {(rows + block_rows - 1) / block_rows, groups};
  const auto stored_shape = block_.rows > 0 ? std::span(blocks) : std::span(blocks).first(1);
  auto scales = std::make_unique<RowScales>(
      tensors.open(scale_name(), stored_shape, Numbers::kFloats), block_rows, groups);
  weight.format.scales = scales->encoding();
  weight.scales = checked_scales(std::move(scales), tensors.full_name(scale_name()), groups);
  weight.scale_rows = block_rows;
  if (tensors.is_stored(kInputScale)) {
    tensors.open(kInputScale, std::array{int64_t{1}}, Numbers::kFloats);
  }
  return weight;
}

std::vector<SchemeRule> float8_rules(const JsonReader& quantization) {
  require_known(quantization);
  std::vector<SchemeRule> rules;
  rules.push_back({plain_modules(quantization), std::make_unique<PlainScheme>()});
  std::vector<ModulePattern> projections;
  projections.emplace_back(kProjections);
  rules.push_back({std::move(projections), std::make_unique<Float8Scheme>(block_of(quantization))});
  return rules;
}

}  // namespace pagoda
