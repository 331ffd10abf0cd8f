#include "engine/engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "base/error.h"
#include "engine/test_engine.h"
#include "engine/test_watched_device.h"
#include "tensor/device.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// Four times the largest difference of a logit between transformers' own bfloat16 and float32 runs
// on these texts: up to the first smaller lead, bfloat16 must agree.
constexpr double kSafeMargin = 1.07;

std::vector<TokenId> token_ids(const json::value& list) {
  std::vector<TokenId> ids;
  for (const json::value& id : list.as_array()) ids.emplace_back(id.to_number<int32_t>());
  return ids;
}

struct Reference {
  std::vector<TokenId> prompt, answer;
  std::vector<double> margins;
  std::string finish_reason;
};

std::vector<Reference> demo_references() {
  std::ifstream file(std::string(PAGODA_SOURCE_DIR) + "/models/demo/expected.jsonl");
  std::vector<Reference> references;
  for (std::string line; std::getline(file, line);) {
    const json::value row = json::parse(line);
    Reference r = {.prompt = token_ids(row.at("prompt_token_ids")),
                   .answer = token_ids(row.at("token_ids")),
                   .margins = {},
                   .finish_reason = std::string(row.at("finish_reason").as_string())};
    for (const json::value& margin : row.at("margins").as_array()) {
      r.margins.push_back(margin.to_number<double>());
    }
    references.push_back(std::move(r));
  }
  REQUIRE(references.size() >= 40);
  return references;
}

// The tokens that must agree.
size_t num_safe_tokens(const Reference& reference, DType dtype) {
  size_t safe = 0;
  while (safe < reference.margins.size() &&
         (dtype == DType::kF32 || reference.margins[safe] >= kSafeMargin)) {
    ++safe;
  }
  return safe;
}

void check_demo(const EngineConfig& config) {
  TestEngine engine(config);
  const std::vector<Reference> references = demo_references();
  std::vector<RequestId> ids;
  ids.reserve(references.size());
  for (const Reference& reference : references) {
    ids.push_back(engine.submit(
        reference.prompt,
        {.temperature = 0, .max_tokens = static_cast<int64_t>(reference.answer.size())}));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    CAPTURE(i);
    const Reference& reference = references[i];
    std::vector<TokenId> answer = engine.wait(ids[i]).tokens;
    std::vector<TokenId> expected = reference.answer;
    const size_t safe = num_safe_tokens(reference, config.model.dtype);
    answer.resize(std::min(answer.size(), safe));
    expected.resize(safe);
    CHECK(answer == expected);
  }
}

constexpr TokenId kEos(2);

// One that the end token ends.
Reference demo_reference() {
  for (Reference& reference : demo_references()) {
    if (reference.answer.back() == kEos && reference.answer.size() > 5) return reference;
  }
  FAIL("no answer ends with the end token");
  return {};
}

SamplingParams greedy(int64_t max_tokens) {
  return {.temperature = 0, .max_tokens = max_tokens};
}

TEST_CASE("an embedding is of the last token, behind the whole prompt, and there is no answer") {
  TestEngine engine(demo_config(kTestBackend, DType::kF32));
  const std::vector<TokenId> prompt = demo_references().front().prompt;
  const auto embed = [&](std::vector<TokenId> tokens) {
    return engine.wait(
        engine.submit({.id = RequestId(0), .task = Task::kEmbed, .prompt = std::move(tokens)}));
  };
  const Answer whole = embed(prompt);
  CHECK(whole.finish == FinishReason::kStop);
  CHECK(whole.tokens.empty());
  REQUIRE(whole.embedding.size() == 256);
  CHECK(std::any_of(whole.embedding.begin(), whole.embedding.end(),
                    [](float number) { return number != 0; }));
  CHECK(embed(prompt).embedding == whole.embedding);
  CHECK(embed({prompt.begin(), prompt.end() - 1}).embedding != whole.embedding);
  std::vector<TokenId> other = prompt;
  other.front() = TokenId(other.front().value() + 1);
  CHECK(embed(other).embedding != whole.embedding);
}

TEST_CASE("the demo model answers as the reference does, on ref in float32") {
  check_demo(demo_config("ref", DType::kF32));
}

TEST_CASE("the demo model answers as the reference does, in float32") {
  check_demo(demo_config(kTestBackend, DType::kF32));
}

TEST_CASE("the demo model answers as the reference does, in float32 on any ranks") {
  EngineConfig config = demo_config(kTestBackend, DType::kF32);
  config.parallel.threads = 1;
  // 8 heads and 2 KV heads: dealt evenly, replicated, padded, and both at once.
  for (const int ranks : {2, 3, 4, 5, 8}) {
    CAPTURE(ranks);
    config.parallel.tensor_parallel_size = ranks;
    check_demo(config);
  }
}

TEST_CASE("more ranks than heads are refused before anything is loaded") {
  EngineConfig config = demo_config(kTestBackend, DType::kF32);
  config.parallel.tensor_parallel_size = 9;
  CHECK_THROWS_WITH_AS(TestEngine{config},
                       "--tensor-parallel-size 9: this model has 8 attention heads, and every rank "
                       "needs one; choose 1 to 8 (without padding: 1, 2, 4, 8)",
                       Error);
}

TEST_CASE("the demo model answers as the reference does where bfloat16 can tell") {
  check_demo(demo_config(kTestBackend, DType::kBF16));
}

TEST_CASE("the end token ends an answer with kStop, max_tokens and the context with kLength") {
  const Reference reference = demo_reference();
  EngineConfig config = demo_config(kTestBackend, DType::kF32);
  const auto longest = static_cast<int64_t>(reference.answer.size()) + 1;
  config.model.max_model_len = static_cast<int64_t>(reference.prompt.size()) + longest;
  TestEngine engine(config);
  CHECK(engine.run(reference.prompt, greedy(longest)).finish == FinishReason::kStop);
  CHECK(engine.run(reference.prompt, greedy(3)).finish == FinishReason::kLength);
  SamplingParams endless = greedy(1000);
  endless.ignore_eos = true;
  const Answer answer = engine.run(reference.prompt, endless);
  CHECK(answer.finish == FinishReason::kLength);
  CHECK(answer.tokens.size() == static_cast<size_t>(longest));
}

TEST_CASE("a stop token ends an answer and is named") {
  const Reference reference = demo_reference();
  TestEngine engine(demo_config(kTestBackend, DType::kF32));
  SamplingParams sampling = greedy(50);
  const TokenId stop = reference.answer[4];
  sampling.stop_token_ids = {stop};
  const Answer answer = engine.run(reference.prompt, sampling);
  CHECK(answer.finish == FinishReason::kStop);
  CHECK(answer.stop_token == stop);
  const auto first = std::find(reference.answer.begin(), reference.answer.end(), stop);
  CHECK(answer.tokens == std::vector<TokenId>(reference.answer.begin(), first + 1));
}

TEST_CASE("log-probabilities come with every token, and those of the prompt with the first") {
  const Reference reference = demo_reference();
  TestEngine engine(demo_config(kTestBackend, DType::kF32));
  SamplingParams sampling = greedy(4);
  sampling.logprobs = 2;
  sampling.prompt_logprobs = 1;
  const Answer answer = engine.run(reference.prompt, sampling);
  REQUIRE(answer.logprobs.size() == 4);
  CHECK(answer.logprobs[1].chosen.token == reference.answer[1]);
  CHECK(answer.logprobs[1].chosen.rank == 1);
  CHECK(answer.logprobs[1].top.size() == 2);
  // The margin of the reference is the distance of the best to the second logit.
  const auto& top = answer.logprobs[1].top;
  CHECK(static_cast<double>(top[0].logprob - top[1].logprob) ==
        doctest::Approx(reference.margins[1]).epsilon(1e-3));
  REQUIRE(answer.prompt_logprobs.size() == reference.prompt.size() - 1);
  CHECK(answer.prompt_logprobs[0].chosen.token == reference.prompt[1]);
}

TEST_CASE("the same prompt again is found in the cache, but not under another salt") {
  const std::vector<TokenId> prompt(40, TokenId(7));
  TestEngine engine(demo_config(kTestBackend, DType::kF32));
  CHECK(engine.run(prompt, greedy(1)).cached_tokens == 0);
  CHECK(engine.run(prompt, greedy(1)).cached_tokens == 32);
  CHECK(engine.wait(engine.submit(prompt, greedy(1), "salt")).cached_tokens == 0);
  engine.engine().reset_prefix_cache();
  CHECK(engine.run(prompt, greedy(1)).cached_tokens == 0);
}

TEST_CASE("a seed repeats an answer, no seed does not") {
  const Reference reference = demo_reference();
  TestEngine engine(demo_config(kTestBackend, DType::kF32));
  SamplingParams sampling = {.temperature = 5.0f, .seed = 11, .max_tokens = 30, .ignore_eos = true};
  CHECK(engine.run(reference.prompt, sampling).tokens ==
        engine.run(reference.prompt, sampling).tokens);
  sampling.seed.reset();
  CHECK(engine.run(reference.prompt, sampling).tokens !=
        engine.run(reference.prompt, sampling).tokens);
}

TEST_CASE("a cancelled request says nothing more and gives back its blocks") {
  TestEngine engine(demo_config(kTestBackend, DType::kF32));
  SamplingParams endless = greedy(2000);
  endless.ignore_eos = true;
  const RequestId id = engine.submit({TokenId(5)}, endless);
  engine.wait(id, 3);
  engine.cancel(id);
  engine.run({TokenId(6)}, greedy(1));
  CHECK_FALSE(engine.wait(id, 3).finish);
  engine.stop();
  const MetricsSnapshot metrics = engine.engine().metrics();
  CHECK(metrics.num_requests_running == 0);
  CHECK(metrics.kv_cache_usage_perc == 0);
  CHECK(metrics.request_success_abort == 1);
}

TEST_CASE("stopping ends what is running with kAbort") {
  TestEngine engine(demo_config(kTestBackend, DType::kF32));
  SamplingParams endless = greedy(2000);
  endless.ignore_eos = true;
  const RequestId id = engine.submit({TokenId(5)}, endless);
  engine.wait(id, 3);
  engine.stop();
  const Answer answer = engine.wait(id);
  CHECK(answer.finish == FinishReason::kAbort);
  CHECK(answer.error.empty());
  CHECK_FALSE(engine.engine().is_alive());
}

TEST_CASE("memory that is too small for a request of the wanted length is said before serving") {
  EngineConfig config = demo_config(kTestBackend, DType::kF32);
  config.model.max_model_len = 2048;
  const auto device = open_device(kTestBackend, {.threads = 1});
  config.cache.num_blocks_override = 160 / device->kv_block_size(config.cache.block_size);
  std::string message;
  try {
    const TestEngine engine(config);
  } catch (const Error& e) {
    message = e.what();
  }
  CHECK(message.starts_with(
      "To serve at least one request with the models's max seq len (2048), (0.01 GiB KV cache is "
      "needed, which is larger than the available KV cache memory (0.00 GiB). Based on the "
      "available memory, the estimated maximum model length is 160."));
}

void check_death(int ranks, const std::string& reason) {
  EngineConfig config = demo_config(kTestBackend, DType::kF32);
  config.parallel.tensor_parallel_size = ranks;
  Watch watch;
  TestEngine engine(config, watched_world(kTestBackend, ranks, watch));
  SamplingParams endless = greedy(2000);
  endless.ignore_eos = true;
  const RequestId id = engine.submit({TokenId(5)}, endless);
  engine.wait(id, 3);
  watch.fault = WatchedFault::kCopy;
  CHECK(engine.wait_for_death() == reason);
  CHECK(engine.wait(id).finish == FinishReason::kAbort);
  CHECK(engine.wait(id).error == reason);
  CHECK_FALSE(engine.engine().is_alive());
}

TEST_CASE("steps allocate nothing of a device") {
  EngineConfig config = demo_config(kTestBackend, DType::kF32);
  config.parallel.tensor_parallel_size = 2;
  Watch watch;
  TestEngine engine(config, watched_world(kTestBackend, 2, watch));
  const int at_start = watch.allocations;
  for (const int length : {1, 30, 300}) {
    engine.run(std::vector<TokenId>(static_cast<size_t>(length), TokenId(5)), greedy(4));
  }
  CHECK(watch.allocations == at_start);
}

TEST_CASE("a step that fails ends every request with the reason, and the engine") {
  check_death(1, "the cable is out");
}

TEST_CASE("a rank that fails while the others wait for it ends the engine, and nothing hangs") {
  check_death(3, "rank 2: the cable is out");
}

TEST_CASE("a rank that cannot load says which it is") {
  EngineConfig config = demo_config(kTestBackend, DType::kF32);
  config.parallel.tensor_parallel_size = 2;
  Watch watch;
  watch.fault = WatchedFault::kCopy;
  std::string message;
  try {
    const TestEngine engine(config, watched_world(kTestBackend, 2, watch));
  } catch (const Error& e) {
    message = e.what();
  }
  CHECK(message == "rank 1: the cable is out");
}

}  // namespace
}  // namespace pagoda
