// A request's tokens and log-probabilities are the same bits alone in a fresh engine and in any
// company: whatever is computed beside it, however its prompt is cut, whether it is found in the
// cache, preempted, or run by more threads, and however many steps are in flight (ARCHITECTURE.md,
// section 5).
//
// Requests arrive and are cancelled while the engine runs on its own thread, so no two runs of this
// test batch alike; what is checked must hold for all of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "base/error.h"
#include "engine/test_engine.h"
#include "load/hf_config.h"

namespace pagoda {
namespace {

constexpr int64_t kMaxModelLen = 256, kHidden = 144;
constexpr int kRequests = 20;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kRounds = 2;  // ten times slower
#else
constexpr int kRounds = 6;
#endif

// Sizes that fill no tile or vector evenly. Random weights give nearly flat logits, in which the
// last bit decides between tokens.
ModelDefinition small_model() {
  return define_model(
      {boost::json::object{{"architectures", boost::json::array{"Qwen3ForCausalLM"}},
                           {"model_type", "qwen3"},
                           {"vocab_size", 333},
                           {"hidden_size", kHidden},
                           {"intermediate_size", 272},
                           {"num_hidden_layers", 3},
                           // The upper layers see 40 tokens: their blocks come and go.
                           {"use_sliding_window", true},
                           {"sliding_window", 40},
                           {"max_window_layers", 1},
                           {"num_attention_heads", 6},
                           {"num_key_value_heads", 2},
                           {"head_dim", 32},
                           {"max_position_embeddings", 512},
                           {"rms_norm_eps", 1e-6},
                           {"rope_theta", 10000.0},
                           {"tie_word_embeddings", true}},
       "config.json"});
}

EngineConfig fresh_config(const std::string& backend, int ranks) {
  EngineConfig config;
  config.backend = backend;
  config.model.definition = small_model();
  config.model.load_format = LoadFormat::kDummy;
  config.model.max_model_len = kMaxModelLen;
  config.scheduler.max_sequences = 4;
  config.scheduler.max_step_tokens = kMaxModelLen;
  config.parallel.tensor_parallel_size = ranks;
  config.parallel.threads = 1;
  config.log_stats = false;
  return config;
}

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
  const int32_t period = family == 1 ? 4 : 333;
  const int64_t shared = draw(0, 120), own = draw(1, 60);
  std::vector<TokenId> prompt;
  prompt.reserve(static_cast<size_t>(shared + own));
  for (int32_t i = 0; i < shared; ++i) prompt.emplace_back((i % period * 7 * family) % 333);
  for (int64_t i = 0; i < own; ++i) prompt.emplace_back(static_cast<int32_t>(draw(0, 332)));
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

std::vector<Case> random_cases(const std::string& backend, int ranks) {
  Draw draw{std::mt19937(1)};
  std::vector<Case> cases;
  for (int i = 0; i < kRequests; ++i) {
    Case c = {.request = random_request(draw), .alone = {}};
    TestEngine fresh(fresh_config(backend, ranks));
    c.alone = fresh.wait(fresh.submit(c.request));
    if (c.request.task == Task::kEmbed) {
      REQUIRE(c.alone.finish == FinishReason::kStop);
      REQUIRE(c.alone.embedding.size() == kHidden);
    } else {
      REQUIRE(c.alone.finish == FinishReason::kLength);
      REQUIRE(c.alone.tokens.size() == static_cast<size_t>(c.request.sampling.max_tokens));
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

// As the device has it.
int64_t block_size_of(const EngineConfig& config) {
  return open_device(config.backend, {.threads = 1})->kv_block_size(config.cache.block_size);
}

EngineConfig random_config(Draw& draw, const std::string& backend, int ranks) {
  EngineConfig config = fresh_config(backend, ranks);
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

struct Happened {
  int64_t preemptions = 0, prefix_hits = 0;
};

void check_round(uint32_t seed, const std::string& backend, int ranks,
                 const std::vector<Case>& cases, Happened& happened) {
  CAPTURE(seed);
  CAPTURE(backend);
  CAPTURE(ranks);
  Draw draw{std::mt19937(seed)};
  TestEngine engine(random_config(draw, backend, ranks), 1 + seed % 3);
  for (const Sent& sent : send_all(engine, cases, draw)) {
    if (sent.cancelled) continue;
    const Answer answer = engine.wait(sent.id);
    CHECK(answer.error.empty());
    CHECK(answer.tokens == sent.what->alone.tokens);
    CHECK(answer.embedding == sent.what->alone.embedding);
    CHECK(same(answer.logprobs, sent.what->alone.logprobs));
    CHECK(same(answer.prompt_logprobs, sent.what->alone.prompt_logprobs));
  }
  engine.stop();
  const MetricsSnapshot metrics = engine.engine().metrics();
  CHECK(metrics.kv_cache_usage_perc == 0);
  CHECK(metrics.num_requests_running == 0);
  happened.preemptions += metrics.num_preemptions;
  happened.prefix_hits += metrics.prefix_cache_hits;
}

bool is_here(const std::string& backend) {
  try {
    return open_device(backend, {.threads = 1}) != nullptr;
  } catch (const Error&) {
    return false;
  }
}

// Of the CPU every instruction set, best first.
std::vector<std::string> backends_here() {
  if (kTestBackend != std::string_view("cpu")) return {kTestBackend};
  std::vector<std::string> names;
  for (const char* set : {"amx", "avx512bf16", "avx512f", "avx2", "neon", "portable"}) {
    if (is_here(std::string("cpu:") + set)) names.push_back(std::string("cpu:") + set);
  }
  return names;
}

void check_rounds(const std::string& backend, int ranks, uint32_t rounds) {
  const std::vector<Case> cases = random_cases(backend, ranks);
  Happened happened;
  for (uint32_t seed = 1; seed <= rounds; ++seed) {
    check_round(seed, backend, ranks, cases, happened);
  }
  CHECK(happened.preemptions > 0);
  CHECK(happened.prefix_hits > 0);
}

TEST_CASE("a request is the same bits alone and in any batch, with every instruction set") {
  const std::vector<std::string> backends = backends_here();
  REQUIRE_FALSE(backends.empty());
  for (const std::string& backend : backends) check_rounds(backend, 1, kRounds);
}

TEST_CASE("a request is the same bits alone and in any batch, on two and three ranks") {
  for (const int ranks : {2, 3}) check_rounds(backends_here().front(), ranks, 2);
}

}  // namespace
}  // namespace pagoda
