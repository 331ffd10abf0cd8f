// What a step takes from the system's memory while an engine runs: its results, and nothing else.
//
// Allowed besides, and counted exactly:
// - A request that is let in brings memory of its own, and room for its answer is made with the
//   first token.
// - A block that fills up is hashed, and OpenSSL 3.0 makes a context anew for every hash.
// - A picture to be encoded brings its costs, its rows and, on every rank, its layout.
// Not met here: what requests with penalties note of every new token, log-probabilities of prompts
// on their way, requests that are preempted and let in again, and the line of statistics.
#include <doctest/doctest.h>

#include <boost/json/object.hpp>
#include <filesystem>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "engine/engine.h"
#include "engine/test_allocations.h"
#include "engine/test_engine.h"
#include "load/hf_config.h"
#include "models/preprocessor.h"

namespace pagoda {
namespace {

using Requests = std::vector<Request>;

struct StepCount {
  int64_t allocations = 0;  // since the events of the step before were handed over
  int64_t results = 0;      // of those, what is handed over
  int64_t answers = 0;      // that begin with this step
  int64_t others() const { return allocations - results - answers; }
};
using Round = std::vector<StepCount>;

// The list, each one's tokens and log-probabilities, and the best tokens of each of those.
int64_t allocations_of(const std::vector<Event>& events) {
  int64_t count = 1;
  for (const Event& event : events) {
    count += (event.tokens.empty() ? 0 : 1) + (event.logprobs.empty() ? 0 : 1);
    for (const TokenLogprobs& one : event.logprobs) count += one.top.empty() ? 0 : 1;
  }
  return count;
}

// An engine that runs one round of requests after another, and counts. Between the events of two
// steps lies one step, where somebody decodes in every one.
class CountingEngine : private EventSink {
 public:
  CountingEngine(const EngineConfig& config, std::vector<Requests> rounds)
      : rounds_(std::move(rounds)), counts_(rounds_.size()), engine_(config, *this, nullptr) {
    for (Round& counts : counts_) counts.reserve(1024);
    submit_round();
  }

  std::vector<Round> run() {
    std::thread stopping([this] {
      MutexLock lock(mutex_);
      while (round_ < rounds_.size()) changed_.wait(lock);
      engine_.stop();
    });
    engine_.run();
    stopping.join();
    const MutexLock lock(mutex_);
    return counts_;
  }

 private:
  // With a salt of its own, so that a round finds no prefix of those before.
  void submit_round() {
    for (Request request : rounds_[round_]) {
      request.id = engine_.next_id();
      request.cache_salt = std::to_string(round_);
      engine_.submit(std::move(request));
    }
  }

  void on_events(std::vector<Event> events) override {
    const int64_t now = num_allocations();
    const MutexLock lock(mutex_);
    StepCount step = {.allocations = now - before_, .results = allocations_of(events)};
    for (const Event& event : events) {
      step.answers += started_.insert(event.id).second ? 1 : 0;
      finished_ += event.finish ? 1 : 0;
    }
    counts_[round_].push_back(step);
    if (finished_ == rounds_[round_].size()) {
      finished_ = 0;
      if (++round_ < rounds_.size()) submit_round();
      changed_.notify_all();
    }
    before_ = num_allocations();
  }
  void on_engine_death(const std::string& reason) override { FAIL(reason); }

  const std::vector<Requests> rounds_;
  Mutex mutex_;
  Condition changed_;
  std::vector<Round> counts_ GUARDED_BY(mutex_);
  std::unordered_set<RequestId> started_ GUARDED_BY(mutex_);
  size_t round_ = 0;  // changes under mutex_
  size_t finished_ GUARDED_BY(mutex_) = 0;
  int64_t before_ GUARDED_BY(mutex_) = 0;
  Engine engine_;
};

EngineConfig small_steps(EngineConfig config, int ranks) {
  config.parallel.tensor_parallel_size = ranks;
  config.parallel.threads = 2;
  config.scheduler.max_sequences = 7;
  config.scheduler.max_step_tokens = 64;
  config.scheduler.prefix_caching = false;
  config.cache.num_blocks_override = 200;
  config.model.max_model_len = 256;
  return config;
}

EngineConfig tiny_config(const std::string& name) {
  const std::filesystem::path folder =
      std::filesystem::path(PAGODA_SOURCE_DIR) / "testdata/models" / name;
  EngineConfig config;
  config.model.folder = folder;
  config.model.definition = define_model(HfConfig::load(folder, {}));
  config.log_stats = false;
  return config;
}

Request request_of(int32_t prompt, SamplingParams sampling) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(prompt));
  for (int32_t i = 0; i < prompt; ++i) tokens.emplace_back(3 + i * 7 % 200);
  sampling.ignore_eos = true;
  return {.id = RequestId(0), .prompt = std::move(tokens), .sampling = std::move(sampling)};
}

// Every way to choose a token. The last prompt is computed in pieces while the others decode; all
// are let in with the first step.
Requests all_kinds() {
  return {request_of(5, {.temperature = 0, .max_tokens = 70}),
          request_of(20, {.temperature = 0, .max_tokens = 60, .logprobs = 3}),
          request_of(9, {.top_p = 0.9f, .max_tokens = 50}),
          request_of(7, {.top_p = 0.8f, .top_k = 12, .max_tokens = 40}),
          request_of(6, {.max_tokens = 45}),
          request_of(170, {.temperature = 0, .max_tokens = 30})};
}

// The first round is warm-up: lists have their full size behind it.
void check_steps(const EngineConfig& config) {
  for (const int ranks : {1, 2}) {
    CAPTURE(ranks);
    CountingEngine engine(small_steps(config, ranks), {all_kinds(), all_kinds()});
    const Round steps = engine.run()[1];
    CHECK(steps.size() == 70);
    for (size_t i = 1; i < steps.size(); ++i) {
      CAPTURE(i);
      CHECK(steps[i].others() == 0);
    }
  }
}

int64_t others_of(const Round& steps, size_t first) {
  int64_t others = 0;
  for (size_t i = first; i < steps.size(); ++i) others += steps[i].others();
  return others;
}

// Behind the first step, in which blocks of the prompts are looked for. Before the first block of a
// request its salt is hashed.
int64_t hashes_of(const Requests& requests, int64_t block_size) {
  int64_t hashes = 0;
  for (const Request& request : requests) {
    const auto prompt = static_cast<int64_t>(request.prompt.size());
    const int64_t before = (prompt - 1) / block_size;
    const int64_t blocks = (prompt + request.sampling.max_tokens - 1) / block_size;
    hashes += blocks - before + (before == 0 && blocks > 0 ? 1 : 0);
  }
  return hashes;
}

Requests with_picture(const PictureRef& picture) {
  Requests requests = all_kinds();
  requests.insert(requests.begin(), request_of(12, {.temperature = 0, .max_tokens = 25}));
  Request& shows = requests.front();
  for (size_t i = 4; i < 8; ++i) shows.prompt[i] = TokenId(262);
  shows.pictures.push_back({.picture = picture, .first = 4, .tokens = 4});
  return requests;
}

Picture picture_of(uint8_t gray) {
  return make_picture(
      {.width = 56, .height = 56, .rgb = std::vector<uint8_t>(size_t{56} * 56 * 3, gray)});
}

}  // namespace

TEST_CASE("a step allocates its results and nothing else" * doctest::skip(!kCountsAllocations)) {
  check_steps(demo_config("cpu", DType::kBF16));
}

TEST_CASE("so it does with experts, latent attention and windows" *
          doctest::skip(!kCountsAllocations)) {
  for (const char* name : {"qwen2-moe-norm", "deepseek-v3", "qwen2-sliding", "gemma3"}) {
    CAPTURE(name);
    check_steps(tiny_config(name));
  }
}

TEST_CASE("a block that fills up costs a hash besides" * doctest::skip(!kCountsAllocations)) {
  EngineConfig config = small_steps(demo_config("cpu", DType::kBF16), 1);
  config.scheduler.prefix_caching = true;
  CountingEngine engine(config, {all_kinds(), all_kinds()});
  CHECK(others_of(engine.run()[1], 1) == hashes_of(all_kinds(), config.cache.block_size));
}

TEST_CASE("a picture that is encoded costs what is kept of it, and one that is kept nothing" *
          doctest::skip(!kCountsAllocations)) {
  for (const int ranks : {1, 2}) {
    CAPTURE(ranks);
    EngineConfig config = small_steps(tiny_config("qwen2.5-vl"), ranks);
    config.scheduler.max_step_tokens = 256;  // all are let in with the first step
    config.model.pictures = load_patch_config(config.model.folder);
    PictureStore store;
    const PictureRef first = store.keep(picture_of(10)), second = store.keep(picture_of(200));
    CountingEngine engine(config, {with_picture(first), with_picture(first), with_picture(second),
                                   with_picture(second)});
    const std::vector<Round> rounds = engine.run();
    for (size_t i = 1; i < rounds[3].size(); ++i) CHECK(rounds[3][i].others() == 0);
    // Where it is in the cache, its rows there and in the plan, and its costs; its layout is four
    // lists on each rank.
    CHECK(others_of(rounds[2], 0) - others_of(rounds[3], 0) == 4 + 4 * ranks);
  }
}

}  // namespace pagoda
