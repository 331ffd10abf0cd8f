#include "load/compressed_tensors.h"

#include <memory>
#include <string>
#include <string_view>

#include "base/str.h"
#include "load/packed_scheme.h"
#include "load/plain_scheme.h"

namespace pagoda {
namespace {

constexpr std::string_view kFormat = "pack-quantized";

void require(const JsonReader& section, std::string_view key, std::string_view wanted) {
  const std::string_view found = section.text_or(key, wanted);
  if (found != wanted) refuse_quantization(section, str(key, " \"", found, "\""), wanted);
}

Encoding encoding_of(const JsonReader& weights) {
  require(weights, "type", "int");
  const int64_t bits = weights.integer("num_bits");
  if (bits == 4) return Encoding::kInt4;
  if (bits == 8) return Encoding::kInt8;
  refuse_quantization(weights, str("num_bits ", bits), "4 and 8");
}

// 0: a whole row.
int64_t group_of(const JsonReader& weights) {
  const std::string_view strategy = weights.text_or("strategy", "group");
  if (strategy == "channel") return 0;
  if (strategy != "group")
    refuse_quantization(weights, str("strategy \"", strategy, "\""), "group, channel");
  const int64_t group = weights.integer("group_size");
  if (group == -1) return 0;
  if (group < 1 || group % 8 != 0)
    refuse_quantization(weights, str("group_size ", group), "a multiple of 8");
  return group;
}

// "group", "weight" or none; only in the first are inputs of a group anywhere in a row.
bool is_ordered(const JsonReader& weights) {
  return weights.text_or("actorder", "weight") == "group";
}

std::unique_ptr<WeightScheme> scheme_of(const JsonReader& group, std::string_view format) {
  if (format != kFormat) refuse_quantization(group, str("format \"", format, "\""), kFormat);
  if (!group.section("input_activations").empty()) {
    refuse_quantization(group, "input_activations", "null");
  }
  const JsonReader weights = group.section("weights");
  return std::make_unique<PackedScheme>(
      PackedScheme::Options{.values = encoding_of(weights),
                            .group = group_of(weights),
                            .has_zeros = !weights.flag_or("symmetric", true),
                            .is_ordered = is_ordered(weights)});
}

std::vector<ModulePattern> patterns_of(const std::vector<std::string>& texts) {
  std::vector<ModulePattern> patterns;
  patterns.reserve(texts.size());
  for (const std::string& text : texts) patterns.emplace_back(text);
  return patterns;
}

}  // namespace

std::vector<SchemeRule> compressed_tensors_rules(const JsonReader& quantization) {
  if (quantization.has("kv_cache_scheme"))
    refuse_quantization(quantization, "kv_cache_scheme", "null");
  require(quantization.section("sparsity_config"), "format", "dense");
  const std::string_view format = quantization.text_or("format", kFormat);
  std::vector<SchemeRule> rules;
  rules.push_back(
      {patterns_of(quantization.texts_or_empty("ignore")), std::make_unique<PlainScheme>()});
  const JsonReader groups = quantization.section("config_groups");
  for (const std::string_view name : groups.keys()) {
    const JsonReader group = groups.section(name);
    rules.push_back({patterns_of(group.texts_or_empty("targets")),
                     scheme_of(group, group.text_or("format", format))});
  }
  return rules;
}

}  // namespace pagoda
