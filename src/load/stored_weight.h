// The weight of one module as its scheme found it, whatever tensors that took.
//
// Thread rule: as StoredTensor; ModuleTensors on the thread of its rank.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "load/weight_source.h"
#include "tensor/weight_format.h"

namespace pagoda {

// [rows, columns] by the formula of WeightFormat. What a file has in another order or with other
// meanings, the scheme's own StoredTensors turn into this while they read.
struct StoredWeight {
  WeightFormat format;
  std::unique_ptr<StoredTensor> values;       // format.values [rows, columns]
  std::unique_ptr<StoredTensor> scales = {};  // format.scales [rows, groups]; null for floats
  std::unique_ptr<StoredTensor> zeros = {};   // int8 [rows, groups] in range of values, or null
  std::vector<int32_t> order = {};            // [columns], the group of each, or empty
  int64_t scale_rows = 1;  // neighboring rows that share a scale in the file: for progress alone
};

// The same scales [rows, groups], of which one that is not finite throws kCheckpoint when it is
// read: `tensor`, its row and group, its value. Reading them is little beside reading the values.
std::unique_ptr<StoredTensor> checked_scales(std::unique_ptr<StoredTensor> scales,
                                             std::string tensor, int64_t groups);

// The tensors of a module: "<module>.<name>".
class ModuleTensors {
 public:
  // The names of tensors that are opened go into `used`, which may be null.
  ModuleTensors(const WeightSource& source, const std::string& module,
                std::unordered_set<std::string>* used)
      : source_(source), module_(module), used_(used) {}

  const std::string& module() const { return module_; }
  std::string full_name(std::string_view name) const;
  // As WeightSource: a source of random numbers has every name.
  bool has(std::string_view name) const;
  // In files, not because random numbers have every name.
  bool is_stored(std::string_view name) const;
  std::unique_ptr<StoredTensor> open(std::string_view name, std::span<const int64_t> shape,
                                     Numbers numbers) const;

 private:
  const WeightSource& source_;
  const std::string& module_;
  std::unordered_set<std::string>* used_;
};

}  // namespace pagoda
