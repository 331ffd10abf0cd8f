#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <random>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "engine/command_queue.h"
#include "engine/metrics.h"
#include "engine/picture_encoder.h"
#include "engine/pipeline.h"
#include "engine/rank_count.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/stats_log.h"
#include "engine/world.h"
#include "load/checkpoint.h"
#include "load/random_weights.h"

namespace pagoda {
namespace {

std::unique_ptr<WeightSource> open_weights(const ModelConfig& model) {
  switch (model.load_format) {
    case LoadFormat::kDummy: return make_random_weights(model.seed, model.dtype);
    case LoadFormat::kSafetensors: break;
  }
  return open_checkpoint(model.folder);
}

World load_world(const EngineConfig& config, const OpenDevice& open, LoadProgress* progress) {
  check_lengths(config, config.model.facts());
  check_ranks(config.parallel, config.model.facts());
  const std::unique_ptr<WeightSource> source = open_weights(config.model);
  return {config, *source, open, progress};
}

PictureLimits limits_of_pictures(const EngineConfig& config, const World& world) {
  if (world.image_encoder() == nullptr) return {};
  return picture_limits(config, config.model.facts(), world.memory().max_model_len);
}

std::optional<EncoderCosts> costs_of_pictures(const EngineConfig& config, const World& world) {
  if (world.image_encoder() == nullptr || !config.model.pictures) return std::nullopt;
  return EncoderCosts(*world.image_encoder(), *config.model.pictures);
}

// 26240 as "26,240", as vLLM writes it.
std::string with_commas(int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

uint64_t seed_of_process() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

struct Engine::State {
  State(const EngineConfig& engine_config, EventSink& event_sink, const OpenDevice& open,
        LoadProgress* progress)
      : config(engine_config),
        sink(event_sink),
        vocab(config.model.facts().vocab),
        world(load_world(config, open, progress)),
        picture_limits(limits_of_pictures(config, world)),
        picture_costs(costs_of_pictures(config, world)),
        scheduler(config.scheduler, {.state = world.memory().state,
                                     .max_model_len = world.memory().max_model_len,
                                     .eos_token = config.model.eos_token,
                                     .pictures = picture_costs ? &*picture_costs : nullptr,
                                     .max_picture_tokens = picture_limits.max_tokens,
                                     .picture_rows = picture_limits.cache_rows}),
        sampler(vocab, config.model.eos_token, sampler_threads(config.parallel)),
        pipeline(world, sampler, config.scheduler.steps_in_flight),
        metrics(world.memory().max_model_len),
        stats(Clock::now()) {}

  // The steps of run().
  void step();
  void admit_submitted();
  void launch_steps();
  std::vector<Event> collect_oldest();
  void publish(std::vector<Event> events);
  void submit(SubmitCommand command);
  void cancel(const CancelCommand& command);
  void count(Clock::time_point now);
  void sleep();
  void end_all(const std::string& error);
  void die(const std::string& reason);

  void log_start() const;

  // Fixed after construction.
  const EngineConfig config;
  EventSink& sink;
  const int64_t vocab;
  const uint64_t seed = seed_of_process();

  // Any thread.
  CommandQueue commands;
  std::atomic<uint64_t> last_id = 0;
  std::atomic<uint64_t> seeds_drawn = 0;
  std::atomic<bool> alive = true;

  // Engine thread.
  World world;
  const PictureLimits picture_limits;
  const std::optional<EncoderCosts> picture_costs;  // none: the model sees no pictures
  Scheduler scheduler;
  Sampler sampler;
  Pipeline pipeline;
  Metrics metrics;  // snapshots from any thread
  StatsLog stats;
};

void Engine::State::step() {
  admit_submitted();
  launch_steps();
  publish(pipeline.is_empty() ? scheduler.fail_stuck(Clock::now()) : collect_oldest());
  count(Clock::now());
}

void Engine::State::launch_steps() {
  while (!pipeline.is_full()) {
    StepPlan& plan = pipeline.next();
    scheduler.plan(plan, Clock::now());
    if (plan.empty()) return;
    scheduler.advance(plan);
    pipeline.launch();
  }
}

std::vector<Event> Engine::State::collect_oldest() {
  const Pipeline::Collected step = pipeline.collect();
  return scheduler.append(step.plan, step.results, Clock::now());
}

void Engine::State::admit_submitted() {
  for (Command& command : commands.take_all()) {
    if (auto* submitted = std::get_if<SubmitCommand>(&command)) {
      submit(std::move(*submitted));
    } else if (const auto* cancelled = std::get_if<CancelCommand>(&command)) {
      cancel(*cancelled);
    } else {
      scheduler.reset_prefix_cache();
    }
  }
}

void Engine::State::submit(SubmitCommand command) {
  Request& request = command.request;
  sampler.add(request.id, SamplingState(request.sampling, request.prompt));
  scheduler.submit(std::move(request), command.when);
}

void Engine::State::cancel(const CancelCommand& command) {
  sampler.forget(command.id);
  scheduler.cancel(command.id, command.why, Clock::now());
}

void Engine::State::publish(std::vector<Event> events) {
  for (const Event& event : events) {
    if (event.finish) sampler.forget(event.id);
  }
  if (!events.empty()) sink.on_events(std::move(events));
}

void Engine::State::count(Clock::time_point now) {
  const StepCounts& counts = scheduler.take_counts();
  metrics.count(counts);
  if (!config.log_stats) return;
  stats.count(counts, now);
  if (const auto line = stats.line_at(now)) LOG_INFO("{}", *line);
}

void Engine::State::sleep() {
  commands.wait(config.log_stats ? stats.next_line() : std::nullopt);
}

void Engine::State::die(const std::string& reason) {
  LOG_ERROR("the engine failed: {}", reason);
  end_all(reason);
  sink.on_engine_death(reason);
}

void Engine::State::end_all(const std::string& error) {
  alive = false;
  commands.close();
  admit_submitted();
  publish(scheduler.abort_all(error, Clock::now()));
  metrics.count(scheduler.take_counts());
}

void Engine::State::log_start() const {
  const MemoryPlan& memory = world.memory();
  const int64_t tokens = memory.num_blocks() * memory.state.block_size;
  LOG_INFO("{}: weights take {:.2f} GiB", world.description(),
           static_cast<double>(world.weight_bytes()) / (1 << 30));
  const std::string padding = padding_line(config.parallel, config.model.facts(),
                                           world.padding_bytes(), world.weight_bytes());
  if (!padding.empty()) LOG_INFO("{}", padding);
  if (!config.model.max_model_len) {
    LOG_INFO("max_model_len is {}, the longest that the model was made for and memory has room for",
             memory.max_model_len);
  }
  if (memory.state.block_size != config.cache.block_size) {
    LOG_INFO("KV blocks are {} tokens, the only size of this device, instead of {}",
             memory.state.block_size, config.cache.block_size);
  }
  LOG_INFO("GPU KV cache size: {} tokens", with_commas(tokens));
  LOG_INFO("Maximum concurrency for {} tokens per request: {:.2f}x",
           with_commas(memory.max_model_len),
           requests_at_once(memory, config.scheduler.max_step_tokens));
  if (picture_costs) {
    LOG_INFO(
        "Encoder cache will be initialized with a budget of {} tokens; a picture has at most {}",
        with_commas(picture_limits.cache_rows), with_commas(picture_limits.max_tokens));
  }
}

Engine::Engine(const EngineConfig& config, EventSink& sink, LoadProgress* progress)
    : Engine(config, sink, progress, open_by_config(config)) {}

Engine::Engine(const EngineConfig& config, EventSink& sink, LoadProgress* progress,
               const std::function<std::unique_ptr<Device>(int rank)>& open_device)
    : state_(std::make_unique<State>(config, sink, open_device, progress)) {
  state_->log_start();
}

Engine::~Engine() = default;

void Engine::run() {
  State& s = *state_;
  try {
    while (!s.commands.is_closed()) {
      s.step();
      if (!s.scheduler.has_work() && s.pipeline.is_empty()) s.sleep();
    }
    s.pipeline.drain();
    s.end_all("");
  } catch (const std::exception& e) {
    s.die(e.what());
  }
}

void Engine::stop() {
  state_->commands.close();
}

EngineFacts Engine::facts() const {
  const MemoryPlan& memory = state_->world.memory();
  return {.max_model_len = memory.max_model_len,
          .vocab = state_->vocab,
          .num_blocks = memory.num_blocks(),
          .block_size = memory.state.block_size,
          .weight_bytes = state_->world.weight_bytes(),
          .max_picture_tokens = state_->picture_limits.max_tokens};
}

RequestId Engine::next_id() {
  return RequestId(++state_->last_id);
}

void Engine::submit(Request request) {
  if (!request.sampling.seed) {
    const auto drawn = philox(state_->seed, ++state_->seeds_drawn);
    request.sampling.seed = uint64_t{drawn[0]} << 32 | drawn[1];
  }
  state_->commands.push(SubmitCommand{std::move(request), Clock::now()});
}

void Engine::cancel(RequestId id, FinishReason why) {
  state_->commands.push(CancelCommand{id, why});
}

void Engine::reset_prefix_cache() {
  state_->commands.push(ResetPrefixCacheCommand{});
}

bool Engine::is_alive() const {
  return state_->alive;
}

MetricsSnapshot Engine::metrics() const {
  return state_->metrics.snapshot();
}

}  // namespace pagoda
