// How near is the decoding of one sequence, end to end through the engine, to the limit that memory
// sets? Every token reads all weights once, so the limit is read bandwidth / weight bytes.
//
// A model of Qwen2.5-0.5B's shape with random weights in bfloat16: 1 GB, larger than any cache. Its
// embedding is tied, so that the output projection reads it whole.

#include <boost/json.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/str.h"
#include "bench.h"
#include "engine/engine.h"
#include "engine/metrics.h"

namespace pagoda {
namespace {

constexpr int64_t kColdBytes = int64_t{512} << 20;  // of the bandwidth buffer

HfConfig model_config(bool smoke) {
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
  return {std::move(values), "config.json"};
}

EngineConfig engine_config(const bench::Options& options) {
  EngineConfig config;
  config.backend = options.backend;
  config.model.hf = model_config(options.smoke);
  config.model.load_format = LoadFormat::kDummy;
  config.model.max_model_len = 1024;
  config.parallel.threads = options.threads;
  config.log_stats = false;
  return config;
}

// Notes when the first and the last token of a request came.
class Stopwatch final : public EventSink {
 public:
  void on_events(std::vector<Event> events) override {
    const std::lock_guard lock(mutex_);
    for (const Event& event : events) {
      const Clock::time_point now = Clock::now();
      if (tokens_ == 0) first_ = now;
      last_ = now;
      tokens_ += static_cast<int64_t>(event.tokens.size());
      done_ = done_ || event.finish.has_value();
    }
    changed_.notify_all();
  }
  void on_engine_death(const std::string& /*reason*/) override {}

  // Tokens a second after the first one.
  double wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
    const double rate =
        static_cast<double>(tokens_ - 1) / std::chrono::duration<double>(last_ - first_).count();
    tokens_ = 0;
    done_ = false;
    return rate;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Clock::time_point first_, last_;
  int64_t tokens_ = 0;
  bool done_ = false;
};

double tokens_a_second(Engine& engine, Stopwatch& stopwatch, int64_t tokens) {
  Request request = {.id = engine.next_id(),
                     .sampling = {.temperature = 0, .max_tokens = tokens, .ignore_eos = true}};
  for (int32_t i = 0; i < 16; ++i) request.prompt.emplace_back(i * 31);
  engine.submit(std::move(request));
  return stopwatch.wait();
}

void run(const bench::Options& options) {
  const EngineConfig config = engine_config(options);
  Stopwatch stopwatch;
  Engine engine(config, stopwatch, nullptr);
  std::thread thread([&] { engine.run(); });
  const int threads =
      options.threads > 0 ? options.threads : static_cast<int>(std::thread::hardware_concurrency());
  ThreadTeam team(threads);
  const bench::ReadBandwidth bandwidth(options.smoke ? 1 << 20 : kColdBytes);
  const auto bytes = static_cast<double>(engine.facts().weight_bytes);
  const int64_t tokens = options.smoke ? 4 : 33;
  bench::Result result = {
      .bench = "decode",
      .subject = str(options.backend, ", ", threads, " threads, bfloat16, ", bytes / 1e9, " GB"),
      .unit = "tokens/s",
      .baseline = "read bandwidth / weight bytes",
      .baseline_runs = {},
      .runs = {}};
  tokens_a_second(engine, stopwatch, tokens);
  for (int i = 0; i < options.runs; ++i) {
    result.baseline_runs.push_back(bandwidth.measure(team) / bytes);
    result.runs.push_back(tokens_a_second(engine, stopwatch, tokens));
  }
  engine.stop();
  thread.join();
  bench::print(result);
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  try {
    pagoda::run(pagoda::bench::parse_options(argc, argv));
  } catch (const pagoda::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return pagoda::meaning_of(e.kind()).exit_code;
  }
  return 0;
}
