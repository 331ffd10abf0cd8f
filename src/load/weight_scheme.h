// How weights are stored in a checkpoint: which tensors a module has for its weight, and what their
// numbers mean. One file a scheme; a checkpoint may mix them, module by module.
//
// Thread rule: immutable after construction; any thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "load/module_pattern.h"
#include "load/stored_weight.h"

namespace pagoda {

class JsonReader;

class WeightScheme {
 public:
  virtual ~WeightScheme() = default;
  // The weight of the module, `shape` by config.json: rows first, all other dimensions make a row.
  // Throws kCheckpoint for a tensor that is missing, of another shape or of impossible numbers.
  virtual StoredWeight open(const ModuleTensors& tensors, std::span<const int64_t> shape) const = 0;
  // Whether the module has a plain weight instead of what this scheme looks for.
  virtual bool is_plain(const ModuleTensors& tensors) const = 0;
  // Columns of what is no plain weight that should stay together when they are dealt over ranks: a
  // group that shares a scale.
  virtual int64_t input_unit() const = 0;
};

// Modules stored in one way.
struct SchemeRule {
  std::vector<ModulePattern> modules;
  std::unique_ptr<WeightScheme> scheme;
};

// Throws kConfig: `what` of a section of quantization_config cannot be computed with, and what can.
[[noreturn]] void refuse_quantization(const JsonReader& section, const std::string& what,
                                      std::string_view supported);

}  // namespace pagoda
