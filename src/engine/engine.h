// The engine: loads the model onto its ranks, then runs steps until it is told to stop.
//
// Thread rule: construct, then run() on the engine thread; EngineClient's methods from any thread
// once the constructor has returned.
#pragma once

#include <functional>
#include <memory>

#include "engine/config.h"
#include "engine/engine_client.h"

namespace pagoda {

class Device;
class LoadProgress;

class Engine : public EngineClient {
 public:
  // Loads weights, plans memory, reserves the cache. Throws kConfig, kCheckpoint, kDevice.
  // `sink` and `progress` must outlive the engine; progress may be null.
  Engine(const EngineConfig& config, EventSink& sink, LoadProgress* progress);
  // On other devices than config.backend's, one a rank: tests bring devices that fail.
  Engine(const EngineConfig& config, EventSink& sink, LoadProgress* progress,
         const std::function<std::unique_ptr<Device>(int rank)>& open_device);
  ~Engine() override;

  // Steps while there is work, sleeps while there is none, returns after stop(). A failing step
  // ends every request with an error, reports on_engine_death and returns.
  void run();
  // Any thread. Requests in flight end with kAbort.
  void stop();

  EngineFacts facts() const override;
  RequestId next_id() override;
  void submit(Request request) override;
  void cancel(RequestId id, FinishReason why) override;
  void reset_prefix_cache() override;
  bool is_alive() const override;
  MetricsSnapshot metrics() const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pagoda
