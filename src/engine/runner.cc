#include "engine/runner.h"

#include <algorithm>
#include <utility>

#include "backends/backends.h"
#include "base/must.h"
#include "base/usable_cores.h"
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
  const int64_t outputs = scheduler.max_sequences + scheduler.max_prompt_logprob_rows;
  return {.tokens = scheduler.max_step_tokens,
          .sequences = scheduler.max_sequences,
          .outputs = std::min(scheduler.max_step_tokens, outputs),
          .blocks_a_sequence = (max_model_len + block_size() - 1) / block_size(),
          .given = encodes(picture_limits_for(max_model_len)) ? scheduler.max_step_tokens : 0,
          .axes = config_.model.facts().position_axes,
          .groups = groups_of(model_->state()).windows.size()};
}

// Pictures are encoded first, then the decoder has the workspace.
Runner::StepMemory Runner::measure_step(int64_t max_model_len) const {
  const std::unique_ptr<IdleOps> ops = device_->idle_ops();
  IdleCommunicator communicator(tensor_parallel_->rank(), tensor_parallel_->size());
  const Idle idle = {*ops, communicator};
  StepMemory memory;
  const PictureLimits pictures = picture_limits_for(max_model_len);
  if (encodes(pictures)) {
    memory.encoder = measure_encoder(*model_->image_encoder(), *config_.model.pictures, pictures,
                                     config_.model.dtype, idle);
    memory.activation_bytes = memory.encoder->workspace_bytes;
  }
  memory.activation_bytes =
      std::max(memory.activation_bytes, decoder_bytes(limits(max_model_len), memory, idle));
  memory.scratch_bytes = ops->scratch_bytes();
  return memory;
}

int64_t Runner::decoder_bytes(const BatchLimits& size, const StepMemory& memory,
                              const Idle& idle) const {
  Batch batch = batch_without_memory(size);
  const StateMemory state = state_without_memory(*device_, model_->state(), block_size());
  Workspace workspace(config_.model.dtype);
  if (memory.encoder) batch.given = workspace.make({size.given, memory.encoder->hidden});
  Step step = {.ops = idle.ops,
               .tensor_parallel = idle.communicator,
               .scratch = workspace,
               .batch = batch,
               .state = state};
  wanted_logits(*model_, step);
  return workspace.peak_bytes();
}

int64_t Runner::logits_bytes(int64_t max_model_len) const {
  return limits(max_model_len).outputs * config_.model.facts().vocab * bytes_of(DType::kF32);
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
  const int64_t pictures = step.encoder ? step.encoder->kept_bytes : 0;
  return {
      .memory = device_->memory(),
      .state = state_need(),
      .workspace_bytes = step.activation_bytes + step.scratch_bytes + pictures,
      // The logits are there twice: as the model makes them, and as rank 0's sampler reads them.
      .host_bytes = logits_bytes(max_model_len)};
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
  if (tensor_parallel_->rank() == 0)
    host_logits_ = device_->allocate_host(logits_bytes(max_positions(config_)));
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
  Tensor logits = make_view(nullptr, {0, config_.model.facts().vocab}, DType::kF32);
  if (!plan.chunks.empty()) {
    if (!input.picture_rows.empty()) {
      input.batch.given = pictures_->gather(step, input.picture_rows);
    }
    logits = wanted_logits(*model_, step);
  }
  logits_ = tensor_parallel_->rank() == 0 ? on_host(logits) : Tensor{};
}

Tensor Runner::collect() {
  device_->synchronize();
  return logits_;
}

Tensor Runner::on_host(Tensor logits) {
  const Tensor host = make_view(host_logits_.data(), {logits.dim(0), logits.dim(1)}, DType::kF32);
  MUST(host.bytes() <= host_logits_.bytes());
  if (!logits.empty()) device_->download(host.data, logits);
  return host;
}

}  // namespace pagoda
