// For tests: an engine with its thread, and what it answered.
//
// Thread rule: one thread uses it; answers come from the engine's own.
#pragma once

#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "engine/engine.h"
#include "engine/metrics.h"

namespace pagoda {

// Steps in flight in every engine of a test: ctest runs tests of whole engines with one and again
// with two (CMakeLists.txt).
#ifndef PAGODA_STEPS_IN_FLIGHT
#define PAGODA_STEPS_IN_FLIGHT 1
#endif
constexpr int64_t kStepsInFlight = PAGODA_STEPS_IN_FLIGHT;
// What they run on: the CPU, and again a device apart from the host.
#ifndef PAGODA_TEST_BACKEND
#define PAGODA_TEST_BACKEND "cpu"
#endif
constexpr const char* kTestBackend = PAGODA_TEST_BACKEND;

struct Answer {
  std::vector<TokenId> tokens;
  std::vector<TokenLogprobs> logprobs, prompt_logprobs;
  std::vector<float> embedding;
  int64_t cached_tokens = 0;
  std::optional<FinishReason> finish;
  std::optional<TokenId> stop_token;
  std::string error;
};

// The same bits.
bool same(const std::vector<TokenLogprobs>& a, const std::vector<TokenLogprobs>& b);

class TestEngine : private EventSink {
 public:
  explicit TestEngine(EngineConfig config, int64_t steps_in_flight = kStepsInFlight);
  TestEngine(EngineConfig config,
             const std::function<std::unique_ptr<Device>(int rank)>& open_device,
             int64_t steps_in_flight = kStepsInFlight);
  ~TestEngine() override;
  TestEngine(const TestEngine&) = delete;
  TestEngine& operator=(const TestEngine&) = delete;

  RequestId submit(std::vector<TokenId> prompt, const SamplingParams& sampling,
                   std::string cache_salt = "");
  // Under an id of its own.
  RequestId submit(Request request);
  void cancel(RequestId id);
  // Waits until the request has finished, or has answered this many tokens.
  Answer wait(RequestId id, size_t tokens = SIZE_MAX);
  Answer run(std::vector<TokenId> prompt, const SamplingParams& sampling) {
    return wait(submit(std::move(prompt), sampling));
  }
  std::string wait_for_death();
  // The engine's thread has ended when this returns.
  void stop();
  Engine& engine() { return engine_; }

 private:
  void on_events(std::vector<Event> events) override;
  void on_engine_death(const std::string& reason) override;

  Mutex mutex_;
  Condition changed_;
  std::unordered_map<RequestId, Answer> answers_ GUARDED_BY(mutex_);
  std::optional<std::string> death_ GUARDED_BY(mutex_);
  Engine engine_;
  std::thread thread_;
};

// The model in models/demo.
EngineConfig demo_config(std::string backend, DType dtype);

}  // namespace pagoda
