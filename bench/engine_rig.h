// What benchmarks of the whole engine share: a model with random weights, an engine with its
// thread, and a stopwatch on what it answers.
#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <thread>

#include "base/mutex.h"
#include "base/usable_cores.h"
#include "bench.h"
#include "engine/engine.h"
#include "engine/metrics.h"
#include "load/hf_config.h"

namespace pagoda::bench {

// The shape of Qwen2.5-0.5B: 1 GB in bfloat16, larger than any cache. Its embedding is tied, so
// that the output projection reads it whole and every token reads all weights once.
inline ModelDefinition half_billion(bool smoke) {
  boost::json::object values = {{"architectures", boost::json::array{"Qwen2ForCausalLM"}},
                                {"model_type", "qwen2"},
                                {"vocab_size", 151936},
                                {"hidden_size", 896},
                                {"intermediate_size", 4864},
                                {"num_hidden_layers", 24},
                                {"num_attention_heads", 14},
                                {"num_key_value_heads", 2},
                                {"max_position_embeddings", 32768},
                                {"rms_norm_eps", 1e-6},
                                {"rope_theta", 1000000.0},
                                {"tie_word_embeddings", true}};
  if (smoke) {
    values["vocab_size"] = 512;
    values["num_hidden_layers"] = 1;
  }
  return define_model({std::move(values), "config.json"});
}

inline int threads_of(const Options& options) {
  return options.threads > 0 ? options.threads : usable_cores("/");
}

class EngineRig final : private EventSink {
 public:
  explicit EngineRig(const Options& options) : EngineRig(options, {.threads = options.threads}) {}
  EngineRig(const Options& options, const ParallelConfig& parallel)
      : engine_(config_of(options, parallel), *this, nullptr), thread_([this] { engine_.run(); }) {}
  ~EngineRig() override {
    engine_.stop();
    thread_.join();
  }
  EngineRig(const EngineRig&) = delete;
  EngineRig& operator=(const EngineRig&) = delete;

  double weight_bytes() const { return static_cast<double>(engine_.facts().weight_bytes); }

  // Tokens a second of this many sequences, each `tokens` long, from when all of them have begun to
  // decode until the first ends.
  double decode_rate(int sequences, int64_t tokens) {
    {
      const MutexLock lock(mutex_);
      waiting_for_ = sequences;
      finished_ = 0;
      steps_.clear();
    }
    for (int i = 0; i < sequences; ++i) submit(i, tokens);
    MutexLock lock(mutex_);
    while (finished_ != sequences) changed_.wait(lock);
    return rate_of(sequences);
  }

 private:
  struct StepNote {
    Clock::time_point when;
    int tokens;
  };

  static EngineConfig config_of(const Options& options, const ParallelConfig& parallel) {
    EngineConfig config;
    config.backend = options.backend;
    config.model.definition = half_billion(options.smoke);
    config.model.load_format = LoadFormat::kDummy;
    config.model.max_model_len = 1024;
    config.scheduler.prefix_caching = false;
    config.parallel = parallel;
    config.log_stats = false;
    return config;
  }

  void submit(int number, int64_t tokens) {
    Request request = {.id = engine_.next_id(),
                       .sampling = {.temperature = 0, .max_tokens = tokens, .ignore_eos = true}};
    for (int32_t i = 0; i < 16; ++i) request.prompt.emplace_back((number + i) * 31 % 512);
    engine_.submit(std::move(request));
  }

  // Only steps in which every sequence got a token count.
  double rate_of(int sequences) const REQUIRES(mutex_) {
    const auto is_full = [=](const StepNote& step) { return step.tokens == sequences; };
    const auto first = std::find_if(steps_.begin(), steps_.end(), is_full);
    const auto last = std::find_if(steps_.rbegin(), steps_.rend(), is_full);
    const auto full_steps = std::count_if(steps_.begin(), steps_.end(), is_full);
    const double seconds = std::chrono::duration<double>(last->when - first->when).count();
    return static_cast<double>(sequences) * static_cast<double>(full_steps - 1) / seconds;
  }

  void on_events(std::vector<Event> events) override {
    const MutexLock lock(mutex_);
    StepNote note = {.when = Clock::now(), .tokens = 0};
    for (const Event& event : events) {
      note.tokens += static_cast<int>(event.tokens.size());
      finished_ += event.finish ? 1 : 0;
    }
    steps_.push_back(note);
    if (finished_ == waiting_for_) changed_.notify_all();
  }
  void on_engine_death(const std::string& /*reason*/) override {}

  Mutex mutex_;
  Condition changed_;
  int waiting_for_ GUARDED_BY(mutex_) = 0, finished_ GUARDED_BY(mutex_) = 0;
  std::vector<StepNote> steps_ GUARDED_BY(mutex_);
  Engine engine_;
  std::thread thread_;
};

}  // namespace pagoda::bench
