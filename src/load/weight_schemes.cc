#include "load/weight_schemes.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/str.h"
#include "load/compressed_tensors.h"
#include "load/float8_scheme.h"
#include "load/plain_scheme.h"

namespace pagoda {
namespace {

// What quant_method names.
struct Method {
  std::string_view name;
  std::vector<SchemeRule> (*rules)(const JsonReader& quantization);
};
constexpr Method kMethods[] = {{"compressed-tensors", &compressed_tensors_rules},
                               {"fp8", &float8_rules}};

// Older files of compressed-tensors call it compression_config.
JsonReader quantization_of(const JsonReader& hf) {
  JsonReader section = hf.section("quantization_config");
  return section.empty() ? hf.section("compression_config") : section;
}

// As vLLM compares names of methods.
std::string normalized(std::string_view name) {
  std::string method(name);
  for (char& c : method) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return method == "compressed_tensors" ? "compressed-tensors" : method;
}

std::string method_of(const JsonReader& quantization) {
  return normalized(quantization.text_or("quant_method", "unnamed"));
}

}  // namespace

WeightSchemes::WeightSchemes(std::vector<SchemeRule> rules)
    : rules_(std::move(rules)), plain_(std::make_unique<PlainScheme>()) {}

const WeightScheme& WeightSchemes::of(std::string_view module) const {
  for (const SchemeRule& rule : rules_) {
    const bool fits = std::any_of(rule.modules.begin(), rule.modules.end(),
                                  [&](const ModulePattern& p) { return p.matches(module); });
    if (fits) return *rule.scheme;
  }
  return *plain_;
}

std::vector<int64_t> WeightSchemes::input_units() const {
  std::vector<int64_t> units;
  for (const SchemeRule& rule : rules_) units.push_back(rule.scheme->input_unit());
  return units;
}

WeightSchemes weight_schemes_of(const JsonReader& hf) {
  const JsonReader quantization = quantization_of(hf);
  if (quantization.empty()) return WeightSchemes();
  const std::string name = method_of(quantization);
  std::string known;
  for (const Method& method : kMethods) {
    if (method.name == name) return WeightSchemes(method.rules(quantization));
    known += str(known.empty() ? "" : ", ", method.name);
  }
  refuse_quantization(hf, str("quantization_config \"", name, "\""), known);
}

void require_quantization(const JsonReader& hf, std::string_view method) {
  if (method.empty()) return;
  const JsonReader quantization = quantization_of(hf);
  if (quantization.empty()) {
    throw Error(ErrorKind::kConfig,
                str("--quantization ", method, ": ", hf.origin(), " has no quantization_config, ",
                    "and weights are not quantized while they are read; leave the option out, or ",
                    "give a checkpoint that is stored so"));
  }
  const std::string stored = method_of(quantization);
  if (normalized(method) == stored) return;
  throw Error(ErrorKind::kConfig,
              str("Quantization method specified in the model config (", stored,
                  ") does not match the quantization method specified in the `quantization` ",
                  "argument (", method, "). Leave --quantization out, or give ", stored));
}

}  // namespace pagoda
