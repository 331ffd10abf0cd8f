// All weights of one rank, packed by its device, for as long as the model lives.
//
// Thread rule: the thread of its rank.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "load/load_progress.h"
#include "load/weight_source.h"
#include "tensor/device.h"

namespace pagoda {

class Weights;
class WeightSchemes;

struct WeightStoreOptions {
  DType dtype = DType::kBF16;  // of the activations; matrices are kept in it
  int rank = 0, ranks = 1;
  LoadProgress* progress = nullptr;  // may be null
  bool expert_parallel = false;      // ranks hold whole experts, not a share of each
  // How the source stores weights; null: all are plain. Must live as long as the source.
  const WeightSchemes* schemes = nullptr;
};

class WeightStore {
 public:
  // `source` must live as long as loading lasts: real files, or random numbers for
  // --load-format dummy.
  WeightStore(const WeightSource& source, Device& device, const WeightStoreOptions& options);
  ~WeightStore();
  WeightStore(const WeightStore&) = delete;
  WeightStore& operator=(const WeightStore&) = delete;

  Weights root();
  int64_t bytes() const;          // as kept on the device
  int64_t padding_bytes() const;  // of those, zeros that only make all ranks' shares equal
  // Tensors of the source that nobody asked for, but for those that no engine needs (rotary
  // tables, causal masks) and those that the model said it ignores. Call it when the model is made,
  // while the source lives.
  std::vector<std::string> unused() const;

 private:
  friend class Weights;
  struct State;
  std::unique_ptr<State> state_;
};

// One line of the log that names what the model did not use; none where it used everything.
void log_unused_weights(const WeightStore& store);

}  // namespace pagoda
