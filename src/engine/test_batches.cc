#include "engine/test_batches.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "backends/backends.h"
#include "engine/test_engine.h"

namespace pagoda {
namespace {

constexpr int64_t kMaxModelLen = 256;
constexpr int kRequests = 20;

struct Draw {
  std::mt19937 random;
  int64_t operator()(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  bool one_in(int64_t n) { return (*this)(1, n) == 1; }
};

struct Case {
  Request request;
  Answer alone;
};

// Prompts share beginnings, so that the cache has something to find; some repeat themselves, so
// that equal tokens stand behind different ones.
std::vector<TokenId> random_prompt(Draw& draw) {
  const auto family = static_cast<int32_t>(draw(1, 4));
  const int32_t period = family == 1 ? 4 : kBatchVocab;
  const int64_t shared = draw(0, 120), own = draw(1, 60);
  std::vector<TokenId> prompt;
  prompt.reserve(static_cast<size_t>(shared + own));
  for (int32_t i = 0; i < shared; ++i) prompt.emplace_back((i % period * 7 * family) % kBatchVocab);
  for (int64_t i = 0; i < own; ++i)
    prompt.emplace_back(static_cast<int32_t>(draw(0, kBatchVocab - 1)));
  return prompt;
}

// Half of them want the most likely tokens and nothing else, so that steps of only such ones occur.
SamplingParams random_sampling(Draw& draw) {
  if (draw.one_in(2)) return {.temperature = 0, .max_tokens = draw(1, 40), .ignore_eos = true};
  SamplingParams sampling = {.seed = static_cast<uint64_t>(draw(0, 1000)),
                             .max_tokens = draw(1, 40),
                             .ignore_eos = true,
                             .logprobs = static_cast<int>(draw(0, 3))};
  if (draw.one_in(3)) sampling.temperature = 0;
  if (draw.one_in(2)) sampling.top_p = 0.9f;
  if (draw.one_in(3)) sampling.top_k = 50;
  if (draw.one_in(3)) sampling.repetition_penalty = 1.2f;
  if (draw.one_in(4)) sampling.frequency_penalty = 0.5f;
  if (draw.one_in(4)) sampling.prompt_logprobs = 2;
  return sampling;
}

Request random_request(Draw& draw) {
  Request request = {.id = RequestId(0), .prompt = random_prompt(draw)};
  if (draw.one_in(5)) {
    request.task = Task::kEmbed;
  } else {
    request.sampling = random_sampling(draw);
  }
  return request;
}

// All that was asked for, and of numbers.
bool is_whole(const Answer& alone, const Request& request) {
  if (request.task == Task::kEmbed) {
    return alone.finish == FinishReason::kStop && alone.embedding.size() == kBatchHidden;
  }
  return alone.finish == FinishReason::kLength &&
         alone.tokens.size() == static_cast<size_t>(request.sampling.max_tokens) &&
         std::all_of(alone.logprobs.begin(), alone.logprobs.end(), &is_of_numbers);
}

Case answered_alone(Request request, const BatchTest& test) {
  TestEngine fresh(fresh_config(test));
  Answer alone = fresh.wait(fresh.submit(request));
  REQUIRE(is_whole(alone, request));
  return {.request = std::move(request), .alone = std::move(alone)};
}

std::vector<Case> random_cases(const BatchTest& test) {
  Draw draw{std::mt19937(1)};
  std::vector<Case> cases;
  cases.reserve(kRequests);
  for (int i = 0; i < kRequests; ++i) {
    cases.push_back(answered_alone(random_request(draw), test));
  }
  return cases;
}

// As the device has it.
int64_t block_size_of(const EngineConfig& config) {
  return open_device(config.backend, {.threads = 1})->kv_block_size(config.cache.block_size);
}

EngineConfig random_config(Draw& draw, const BatchTest& test) {
  EngineConfig config = fresh_config(test);
  SchedulerConfig& scheduler = config.scheduler;
  config.cache.block_size = int64_t{4} << draw(0, 3);
  // Little more than the longest request needs, or plenty.
  const int64_t least = kMaxModelLen / block_size_of(config);
  config.cache.num_blocks_override = draw.one_in(3) ? 8 * least : least + draw(0, 4);
  scheduler.max_sequences = draw(2, 12);
  scheduler.chunked_prefill = !draw.one_in(4);
  scheduler.max_step_tokens = scheduler.chunked_prefill ? draw(scheduler.max_sequences, 150) : 300;
  scheduler.long_prefill_threshold = draw.one_in(3) ? draw(1, 40) : 0;
  scheduler.max_prompt_logprob_rows = draw(1, 64);
  scheduler.prefix_caching = !draw.one_in(4);
  scheduler.policy = draw.one_in(2) ? SchedulingPolicy::kPriority : SchedulingPolicy::kFcfs;
  config.parallel.threads = static_cast<int>(draw(1, 3));
  return config;
}

struct Sent {
  const Case* what;
  RequestId id;
  bool cancelled = false;
};

// All cases twice in random order; between two arrivals some other answer is awaited for a while,
// or abandoned.
std::vector<Sent> send_all(TestEngine& engine, const std::vector<Case>& cases, Draw& draw) {
  std::vector<const Case*> order;
  for (const Case& c : cases) order.insert(order.end(), 2, &c);
  std::shuffle(order.begin(), order.end(), draw.random);
  std::vector<Sent> sent;
  for (const Case* c : order) {
    sent.push_back({c, engine.submit(c->request)});
    Sent& other = sent[static_cast<size_t>(draw(0, static_cast<int64_t>(sent.size()) - 1))];
    if (other.cancelled) continue;
    if (draw.one_in(5)) {
      engine.cancel(other.id);
      other.cancelled = true;
    } else if (draw.one_in(3)) {
      engine.wait(other.id, static_cast<size_t>(draw(1, 20)));
    }
  }
  return sent;
}

void check_same(const Answer& answer, const Answer& alone) {
  CHECK(answer.error.empty());
  CHECK(answer.tokens == alone.tokens);
  CHECK(answer.embedding == alone.embedding);
  CHECK(same(answer.logprobs, alone.logprobs));
  CHECK(same(answer.prompt_logprobs, alone.prompt_logprobs));
}

void check_round(uint32_t seed, const BatchTest& test, const std::vector<Case>& cases,
                 Happened& happened) {
  CAPTURE(seed);
  CAPTURE(test.backend);
  CAPTURE(test.ranks);
  Draw draw{std::mt19937(seed)};
  TestEngine engine(random_config(draw, test), 1 + seed % 3);
  for (const Sent& sent : send_all(engine, cases, draw)) {
    if (!sent.cancelled) check_same(engine.wait(sent.id), sent.what->alone);
  }
  engine.stop();
  const MetricsSnapshot metrics = engine.engine().metrics();
  CHECK(metrics.kv_cache_usage_perc == 0);
  CHECK(metrics.num_requests_running == 0);
  happened.preemptions += metrics.num_preemptions;
  happened.prefix_hits += metrics.prefix_cache_hits;
}

}  // namespace

bool is_of_numbers(const TokenLogprobs& logprobs) {
  return logprobs.chosen.logprob > -100;
}

EngineConfig fresh_config(const BatchTest& test) {
  EngineConfig config;
  config.backend = test.backend;
  config.model.definition = test.model;
  config.model.load_format = LoadFormat::kDummy;
  config.model.max_model_len = kMaxModelLen;
  config.scheduler.max_sequences = 4;
  config.scheduler.max_step_tokens = kMaxModelLen;
  config.parallel.tensor_parallel_size = test.ranks;
  config.parallel.threads = 1;
  config.log_stats = false;
  return config;
}

Happened check_batches(const BatchTest& test, uint32_t rounds) {
  const std::vector<Case> cases = random_cases(test);
  Happened happened;
  for (uint32_t seed = 1; seed <= rounds; ++seed) check_round(seed, test, cases, happened);
  return happened;
}

}  // namespace pagoda
