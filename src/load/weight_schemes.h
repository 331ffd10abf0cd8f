// Which scheme each module of a checkpoint has.
//
// Thread rule: immutable after construction; any thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "load/weight_scheme.h"

namespace pagoda {

class JsonReader;

class WeightSchemes {
 public:
  // Every module has its plain weight.
  WeightSchemes() : WeightSchemes(std::vector<SchemeRule>{}) {}
  // The first rule that fits a module decides; where none does, the weight is plain.
  explicit WeightSchemes(std::vector<SchemeRule> rules);
  const WeightScheme& of(std::string_view module) const;
  bool are_plain() const { return rules_.empty(); }  // of all modules
  // WeightScheme::input_unit() of each that some module may have.
  std::vector<int64_t> input_units() const;

 private:
  std::vector<SchemeRule> rules_;
  std::unique_ptr<WeightScheme> plain_;
};

// By quantization_config of config.json. Throws kConfig, before any weight is read, for a method
// that is not known or a part of it that cannot be computed with, by name.
WeightSchemes weight_schemes_of(const JsonReader& hf);

// Throws kConfig where `method` (--quantization; empty: whichever it is) is not how config.json
// says that the weights are stored.
void require_quantization(const JsonReader& hf, std::string_view method);

}  // namespace pagoda
