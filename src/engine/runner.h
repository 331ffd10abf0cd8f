// One rank: its device, its share of the weights, the model, what its layers keep, and the
// workspace of a step.
//
// Thread rule: everything on the thread of its rank, the constructor included.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/batch_builder.h"
#include "engine/config.h"
#include "engine/memory_plan.h"
#include "engine/picture_encoder.h"
#include "engine/step_outputs.h"
#include "engine/step_plan.h"
#include "load/weight_schemes.h"
#include "load/weight_store.h"
#include "models/model.h"
#include "models/state_cache.h"
#include "tensor/communicator.h"
#include "tensor/device.h"
#include "tensor/workspace.h"

namespace pagoda {

// How a rank gets its device.
using OpenDevice = std::function<std::unique_ptr<Device>(int rank)>;
// From the backends of this build.
OpenDevice open_by_config(const EngineConfig& config);

class Runner {
 public:
  // Loads the weights.
  Runner(const EngineConfig& config, const WeightSource& source, std::unique_ptr<Device> device,
         std::unique_ptr<Communicator> tensor_parallel, LoadProgress* progress);

  // Once, after all ranks have loaded.
  RankMemory measure() const;
  // The same for another longest request than the rotary tables are made for.
  RankMemory measure_for(int64_t max_model_len) const;
  void allocate(const MemoryPlan& plan);

  // As in World; the output is empty on other ranks than 0.
  void launch(const StepPlan& plan, std::span<const TokenId> sampled);
  StepOutput collect() { return outputs_->next(); }

  std::string description() const { return device_->description(); }
  int64_t weight_bytes() const { return weights_.bytes(); }
  int64_t padding_bytes() const { return weights_.padding_bytes(); }
  const WeightStore& weights() const { return weights_; }
  // Null: the model sees no pictures.
  const ImageEncoder* image_encoder() const { return model_->image_encoder(); }

 private:
  int64_t block_size() const;  // tokens of a KV block
  PictureLimits picture_limits_for(int64_t max_model_len) const;
  BatchLimits limits(int64_t max_model_len) const;
  // What the largest step takes.
  struct StepMemory {
    int64_t activation_bytes = 0;  // in the workspace
    int64_t scratch_bytes = 0;     // of the device's ops
    int64_t input_bytes = 0;       // kept on the device
    int64_t staging_bytes = 0;     // in the host's memory
    std::optional<EncoderMemory> encoder = {};
    OutputLimits output = {};
  };
  StepMemory measure_step(int64_t max_model_len) const;
  void measure_decoder(const BatchLimits& size, const Idle& idle, StepMemory& memory) const;
  StateNeed state_need() const;
  // What the decoder makes of a step's chunks. Tokens that the step before has chosen are read
  // where it left them; where this one is greedy, its own take their place.
  struct Choosing {
    Tensor chosen;  // i32 [outputs]
    bool is_greedy;
  };
  StepOutput decode(Step& step, const StepInput& input, const Choosing& choosing) const;

  const EngineConfig& config_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Communicator> tensor_parallel_;
  const WeightSchemes schemes_;
  WeightStore weights_;
  std::unique_ptr<Model> model_;
  // From allocate() on.
  std::unique_ptr<StateCache> state_;
  std::unique_ptr<BatchBuilder> builder_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<PictureEncoder> pictures_;  // null: none are planned for
  Buffer chosen_buffer_;
  Tensor chosen_;  // i32 [outputs], of the greedy step before
  std::unique_ptr<StepOutputs> outputs_;
};

}  // namespace pagoda
