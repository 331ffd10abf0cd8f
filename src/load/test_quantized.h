// For tests: a checkpoint of a few tensors, stored as a config.json says, on a TestDevice.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "load/test_device.h"
#include "load/test_files.h"
#include "load/weight_schemes.h"
#include "load/weight_store.h"
#include "load/weights.h"

namespace pagoda {

struct QuantizedFixture {
  QuantizedFixture(const HfConfig& config, const std::vector<TestTensor>& tensors, int rank = 0,
                   int ranks = 1)
      : schemes(weight_schemes_of(config.keys())) {
    folder.write("model.safetensors", safetensors_file(tensors));
    source = open_checkpoint(folder.path());
    store = std::make_unique<WeightStore>(
        *source, device, WeightStoreOptions{.rank = rank, .ranks = ranks, .schemes = &schemes});
  }
  Weights root() { return store->root(); }

  TemporaryFolder folder;
  TestDevice device;
  WeightSchemes schemes;
  std::unique_ptr<WeightSource> source;
  std::unique_ptr<WeightStore> store;
};

template <class F>
std::string error_of(F&& f) {
  return message_of<Error>(f);
}

}  // namespace pagoda
