#include "engine/test_engine.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "load/hf_config.h"

namespace pagoda {
namespace {

void append(std::vector<TokenLogprobs>& to, std::vector<TokenLogprobs>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

bool same(const TokenLogprob& a, const TokenLogprob& b) {
  return a.token == b.token && a.logprob == b.logprob && a.rank == b.rank;
}

EngineConfig with_steps(EngineConfig config, int64_t steps_in_flight) {
  config.scheduler.steps_in_flight = steps_in_flight;
  return config;
}

}  // namespace

bool same(const std::vector<TokenLogprobs>& a, const std::vector<TokenLogprobs>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const TokenLogprobs& x, const TokenLogprobs& y) {
                      return same(x.chosen, y.chosen) &&
                             std::equal(x.top.begin(), x.top.end(), y.top.begin(), y.top.end(),
                                        [](const auto& p, const auto& q) { return same(p, q); });
                    });
}

TestEngine::TestEngine(EngineConfig config, int64_t steps_in_flight)
    : engine_(with_steps(std::move(config), steps_in_flight), *this, nullptr),
      thread_([this] { engine_.run(); }) {}

TestEngine::TestEngine(EngineConfig config,
                       const std::function<std::unique_ptr<Device>(int rank)>& open_device,
                       int64_t steps_in_flight)
    : engine_(with_steps(std::move(config), steps_in_flight), *this, nullptr, open_device),
      thread_([this] { engine_.run(); }) {}

TestEngine::~TestEngine() {
  stop();
}

void TestEngine::stop() {
  engine_.stop();
  if (thread_.joinable()) thread_.join();
}

RequestId TestEngine::submit(std::vector<TokenId> prompt, const SamplingParams& sampling,
                             std::string cache_salt) {
  return submit({.id = RequestId(0),
                 .prompt = std::move(prompt),
                 .sampling = sampling,
                 .cache_salt = std::move(cache_salt)});
}

RequestId TestEngine::submit(Request request) {
  const RequestId id = engine_.next_id();
  request.id = id;
  engine_.submit(std::move(request));
  return id;
}

void TestEngine::cancel(RequestId id) {
  engine_.cancel(id, FinishReason::kAbort);
}

Answer TestEngine::wait(RequestId id, size_t tokens) {
  MutexLock lock(mutex_);
  Answer& answer = answers_[id];  // stays where it is, whatever comes in
  while (!answer.finish && answer.tokens.size() < tokens) changed_.wait(lock);
  return answer;
}

std::string TestEngine::wait_for_death() {
  MutexLock lock(mutex_);
  while (!death_) changed_.wait(lock);
  return *death_;
}

void TestEngine::on_events(std::vector<Event> events) {
  const MutexLock lock(mutex_);
  for (Event& event : events) {
    Answer& answer = answers_[event.id];
    answer.tokens.insert(answer.tokens.end(), event.tokens.begin(), event.tokens.end());
    append(answer.logprobs, event.logprobs);
    append(answer.prompt_logprobs, event.prompt_logprobs);
    answer.embedding = std::move(event.embedding);
    answer.cached_tokens = event.cached_tokens;
    answer.finish = event.finish;
    answer.stop_token = event.stop_token;
    answer.error = event.error;
  }
  changed_.notify_all();
}

void TestEngine::on_engine_death(const std::string& reason) {
  const MutexLock lock(mutex_);
  death_ = reason;
  changed_.notify_all();
}

EngineConfig demo_config(std::string backend, DType dtype) {
  const std::filesystem::path folder = std::filesystem::path(PAGODA_SOURCE_DIR) / "models/demo";
  EngineConfig config;
  config.backend = std::move(backend);
  config.model.folder = folder;
  config.model.definition = define_model(HfConfig::load(folder));
  config.model.dtype = dtype;
  config.model.eos_token = TokenId(2);
  config.log_stats = false;
  return config;
}

}  // namespace pagoda
