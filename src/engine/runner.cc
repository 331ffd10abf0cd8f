#include "engine/runner.h"

#include <algorithm>
#include <utility>

#include "backends/backends.h"
#include "base/must.h"
#include "base/usable_cores.h"
#include "engine/sampler.h"
#include "load/weights.h"
#include "tensor/idle_ops.h"

namespace pagoda {
namespace {

DeviceOptions device_options(const EngineConfig& config, int rank) {
  const ParallelConfig& parallel = config.parallel;
  DeviceOptions options = {.ordinal = rank, .threads = parallel.threads};
  if (!parallel.places.empty()) {
    options.threads = parallel.places[static_cast<size_t>(rank)].threads;
  }
  // The cores of the process are dealt over the ranks; a single rank's device counts for itself.
  if (options.threads == 0 && parallel.tensor_parallel_size > 1) {
    options.threads = std::max(1, usable_cores("/") / parallel.tensor_parallel_size);
  }
  return options;
}

int64_t max_positions(const EngineConfig& config) {
  return config.model.max_model_len.value_or(config.model.facts().max_positions);
}

bool encodes(const PictureLimits& limits) {
  return limits.max_tokens > 0;
}

// States of a fixed size begin with zeros.
void clear_slots(Step& step, Tensor slots) {
  if (slots.empty()) return;
  for (const std::vector<Tensor>& parts : step.state.fixed) {
    for (const Tensor part : parts) step.ops.clear_rows(part, slots);
  }
}

}  // namespace

OpenDevice open_by_config(const EngineConfig& config) {
  return [config](int rank) { return open_device(config.backend, device_options(config, rank)); };
}

Runner::Runner(const EngineConfig& config, const WeightSource& source,
               std::unique_ptr<Device> device, std::unique_ptr<Communicator> tensor_parallel,
               LoadProgress* progress)
    : config_(config),
      device_(std::move(device)),
      tensor_parallel_(std::move(tensor_parallel)),
      schemes_(config.model.definition.schemes()),
      weights_(source, *device_,
               {.dtype = config.model.dtype,
                .rank = tensor_parallel_->rank(),
                .ranks = tensor_parallel_->size(),
                .progress = progress,
                .expert_parallel = config.parallel.expert_parallel,
                .schemes = &schemes_}),
      model_(config.model.definition.make(weights_.root(),
                                          {.max_positions = max_positions(config)})) {}

PictureLimits Runner::picture_limits_for(int64_t max_model_len) const {
  if (model_->image_encoder() == nullptr) return {};
  return picture_limits(config_, config_.model.facts(), max_model_len);
}

int64_t Runner::block_size() const {
  return device_->kv_block_size(config_.cache.block_size);
}

BatchLimits Runner::limits(int64_t max_model_len) const {
  const SchedulerConfig& scheduler = config_.scheduler;
  const int64_t slots = slot_bytes_of(model_->state()) > 0 ? scheduler.max_sequences : 0;
  const int64_t outputs = scheduler.max_sequences + scheduler.max_prompt_logprob_rows;
  return {.tokens = scheduler.max_step_tokens,
          .sequences = scheduler.max_sequences,
          .outputs = std::min(scheduler.max_step_tokens, outputs),
          .blocks_a_sequence = (max_model_len + block_size() - 1) / block_size(),
          .hidden = scheduler.max_sequences,
          .given = encodes(picture_limits_for(max_model_len)) ? scheduler.max_step_tokens : 0,
          .chosen = scheduler.max_sequences,
          .axes = config_.model.facts().position_axes,
          .groups = groups_of(model_->state()).windows.size(),
          .slots = slots,
          .begun = slots};
}

// Pictures are encoded first, then the decoder has the workspace.
Runner::StepMemory Runner::measure_step(int64_t max_model_len) const {
  const std::unique_ptr<IdleOps> ops = device_->idle_ops();
  IdleCommunicator communicator(tensor_parallel_->rank(), tensor_parallel_->size());
  const Idle idle = {*ops, communicator};
  const BatchLimits size = limits(max_model_len);
  const int64_t input = BatchBuilder::bytes(size);
  StepMemory memory = {.input_bytes = input + size.outputs * bytes_of(DType::kI32),
                       .staging_bytes = BatchBuilder::kHostCopies * input};
  const PictureLimits pictures = picture_limits_for(max_model_len);
  if (encodes(pictures)) {
    memory.encoder = measure_encoder(*model_->image_encoder(), *config_.model.pictures, pictures,
                                     config_.model.dtype, idle);
    memory.activation_bytes = memory.encoder->workspace_bytes;
    memory.staging_bytes += memory.encoder->staging_bytes;
  }
  measure_decoder(size, idle, memory);
  memory.scratch_bytes = ops->scratch_bytes();
  return memory;
}

void Runner::measure_decoder(const BatchLimits& size, const Idle& idle, StepMemory& memory) const {
  StepInput input = input_without_memory(size);
  const StateMemory state = state_without_memory(*device_, model_->state(), block_size());
  Workspace workspace(config_.model.dtype);
  if (memory.encoder) input.batch.given = workspace.make({size.given, memory.encoder->hidden});
  Step step = {.ops = idle.ops,
               .tensor_parallel = idle.communicator,
               .scratch = workspace,
               .batch = input.batch,
               .state = state};
  const Tensor chosen = make_view(nullptr, {size.outputs}, DType::kI32);
  const StepOutput output = decode(step, input, {.chosen = chosen, .is_greedy = true});
  memory.activation_bytes = std::max(memory.activation_bytes, workspace.peak_bytes());
  memory.output = {.outputs = output.logits.dim(0),
                   .vocab = output.logits.dim(1),
                   .hidden_bytes = output.hidden.bytes()};
}

StateNeed Runner::state_need() const {
  const std::vector<LayerState> layers = model_->state();
  const std::vector<int64_t> windows = groups_of(layers).windows;
  const std::vector<int64_t> bytes = block_bytes_of(*device_, layers, block_size());
  StateNeed need = {.block_size = block_size(), .groups = {}, .slot_bytes = slot_bytes_of(layers)};
  for (size_t i = 0; i < windows.size(); ++i) need.groups.push_back({windows[i], bytes[i]});
  return need;
}

RankMemory Runner::measure() const {
  return measure_for(max_positions(config_));
}

RankMemory Runner::measure_for(int64_t max_model_len) const {
  const StepMemory step = measure_step(max_model_len);
  const DeviceMemory memory = device_->memory();
  const int64_t pictures = step.encoder ? step.encoder->kept_bytes : 0;
  const int64_t staging = memory.is_shared ? step.staging_bytes : 0;
  // The logits are there once more: as the model makes them, and as rank 0's sampler reads them.
  const int64_t outputs = config_.scheduler.steps_in_flight * output_bytes(step.output);
  return {.memory = memory,
          .state = state_need(),
          .workspace_bytes =
              step.activation_bytes + step.scratch_bytes + step.input_bytes + staging + pictures,
          .host_bytes = outputs + Sampler::scratch_bytes(step.output.vocab,
                                                         sampler_threads(config_.parallel))};
}

void Runner::allocate(const MemoryPlan& plan) {
  StateSize size = {
      .block_size = plan.state.block_size, .num_blocks = {}, .slots = plan.state.slots};
  for (const GroupSize& group : plan.state.groups) size.num_blocks.push_back(group.num_blocks);
  state_ = std::make_unique<StateCache>(*device_, model_->state(), size);
  builder_ = std::make_unique<BatchBuilder>(*device_, limits(plan.max_model_len), block_size());
  const StepMemory step = measure_step(plan.max_model_len);
  device_->reserve_scratch(step.scratch_bytes);
  workspace_ =
      std::make_unique<Workspace>(device_->allocate(step.activation_bytes), config_.model.dtype);
  if (step.encoder) {
    pictures_ = std::make_unique<PictureEncoder>(
        *device_, *model_->image_encoder(), *config_.model.pictures,
        picture_limits_for(plan.max_model_len), config_.model.dtype, step.encoder->hidden);
  }
  const int64_t outputs = step.output.outputs;
  chosen_buffer_ = device_->allocate(outputs * bytes_of(DType::kI32));
  chosen_ = make_view(chosen_buffer_.data(), {outputs}, DType::kI32);
  const bool is_read = tensor_parallel_->rank() == 0;
  outputs_ = std::make_unique<StepOutputs>(*device_, is_read ? step.output : OutputLimits{},
                                           config_.scheduler.steps_in_flight);
}

void Runner::launch(const StepPlan& plan, std::span<const TokenId> sampled) {
  workspace_->reset();
  StepInput nothing;
  StepInput& input = plan.chunks.empty() ? nothing : builder_->build(plan, sampled);
  Step step = {.ops = device_->ops(),
               .tensor_parallel = *tensor_parallel_,
               .scratch = *workspace_,
               .batch = input.batch,
               .state = state_->memory()};
  for (const PlannedEncoding& encoding : plan.encodings) pictures_->run(step, encoding);
  StepOutput output;
  if (!plan.chunks.empty()) {
    if (!input.picture_rows.empty()) {
      input.batch.given = pictures_->gather(step, input.picture_rows);
    }
    output = decode(step, input, {.chosen = chosen_, .is_greedy = plan.is_greedy});
    if (plan.is_greedy) output.logits = {};
  }
  outputs_->add(tensor_parallel_->rank() == 0 ? output : StepOutput{});
}

StepOutput Runner::decode(Step& step, const StepInput& input, const Choosing& choosing) const {
  const Tensor chosen = choosing.chosen;
  if (const Tensor outputs = input.chosen_outputs; !outputs.empty()) {
    const Tensor ids = step.scratch.make({outputs.dim(0), 1}, DType::kI32);
    step.ops.gather_rows(ids, reshaped(chosen, {chosen.dim(0), 1}), outputs);
    const Tensor tokens = input.batch.tokens;
    step.ops.scatter_rows(reshaped(tokens, {tokens.dim(0), 1}), ids, input.chosen_tokens);
  }
  clear_slots(step, input.begun_slots);
  const ModelOutput made = run_model(*model_, step, input.hidden_rows);
  StepOutput output = {.logits = made.logits, .chosen = {}, .hidden = made.hidden};
  if (choosing.is_greedy) {
    output.chosen = rows_of(chosen, 0, made.logits.dim(0));
    step.ops.argmax(output.chosen, made.logits);
  }
  return output;
}

}  // namespace pagoda
