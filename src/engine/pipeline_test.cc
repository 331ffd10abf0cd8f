#include "engine/pipeline.h"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

constexpr int64_t kVocab = 8;
constexpr RequestId kGreedy(1), kTold(2);

// Steps whose output is known beforehand: output r of step s chooses token (s + r) % 8. Notes what
// is asked of it.
class FakeRunner final : public StepRunner {
 public:
  void launch(const StepPlan& plan, std::span<const TokenId> sampled) override {
    const bool knows = sampled.empty() && !plan.sampled.empty();
    std::string tokens;
    for (const TokenId token : sampled) tokens.append(str(" ", token.value()));
    said.append(str(plan.is_greedy ? "greedy" : "launch", knows ? " on device" : "", tokens, "; "));
    Made made = {.logits = std::vector<float>(static_cast<size_t>(plan.num_outputs() * kVocab)),
                 .chosen = {},
                 .hidden = std::vector<float>(static_cast<size_t>(2 * plan.num_hidden())),
                 .is_greedy = plan.is_greedy};
    for (int64_t row = 0; row < plan.num_outputs(); ++row) {
      const int64_t token = (launched_ + row) % kVocab;
      made.logits[static_cast<size_t>(row * kVocab + token)] = 1;
      made.chosen.push_back(static_cast<int32_t>(token));
    }
    for (float& number : made.hidden) number = static_cast<float>(++num_hidden_);
    ++launched_;
    running_.push_back(std::move(made));
  }

  StepOutput collect() override {
    MUST(!running_.empty());
    last_ = std::move(running_.front());
    running_.pop_front();
    said.append("collect; ");
    const auto rows = static_cast<int64_t>(last_.chosen.size());
    const auto hidden = static_cast<int64_t>(last_.hidden.size());
    StepOutput output;
    if (last_.is_greedy) {
      output.chosen = make_view(last_.chosen.data(), {rows}, DType::kI32);
    } else {
      output.logits = make_view(last_.logits.data(), {rows, kVocab}, DType::kF32);
    }
    output.hidden = make_view(last_.hidden.data(), {hidden / 2, 2}, DType::kF32);
    return output;
  }

  std::string said;

 private:
  struct Made {
    std::vector<float> logits;
    std::vector<int32_t> chosen;
    std::vector<float> hidden;
    bool is_greedy = false;
  };
  int64_t launched_ = 0;
  int num_hidden_ = 0;
  std::deque<Made> running_;
  Made last_;
};

struct Fixture {
  explicit Fixture(int64_t depth) : pipeline(runner, sampler, depth) {
    const std::vector<TokenId> prompt = {TokenId(7)};
    sampler.add(kGreedy, {{.temperature = 0, .max_tokens = 9}, prompt});
    sampler.add(kTold, {{.temperature = 0, .max_tokens = 9, .logprobs = 0}, prompt});
  }

  // One more token of each of these; what the step before chose for it, where it did.
  void launch(const std::vector<RequestId>& requests) {
    StepPlan& plan = pipeline.next();
    for (const RequestId id : requests) {
      const auto row = static_cast<int32_t>(plan.chunks.size());
      const int64_t first = num_chosen[id]++;
      if (first > 0) plan.sampled.push_back({.token = row, .output = row});
      plan.chunks.push_back(
          {.request = id, .first = first, .count = 1, .outputs = 1, .samples = 1});
      plan.tokens.emplace_back(0);
    }
    pipeline.launch();
  }

  std::vector<TokenId> collect() {
    std::vector<TokenId> tokens;
    for (const ChunkResult& result : pipeline.collect().results) {
      tokens.insert(tokens.end(), result.tokens.begin(), result.tokens.end());
    }
    return tokens;
  }

  FakeRunner runner;
  Sampler sampler{kVocab, std::nullopt, 1};
  Pipeline pipeline;
  std::unordered_map<RequestId, int64_t> num_chosen;
};

using Tokens = std::vector<TokenId>;

TEST_CASE("with one step in flight the next one is told what was sampled on the host") {
  Fixture f(1);
  f.launch({kGreedy});
  CHECK(f.pipeline.is_full());
  CHECK(f.collect() == Tokens{TokenId(0)});
  f.launch({kGreedy});
  CHECK(f.collect() == Tokens{TokenId(1)});
  CHECK(f.runner.said == "launch; collect; launch 0; collect; ");
}

TEST_CASE("behind a greedy step the next one is launched_ before anybody has waited") {
  Fixture f(3);
  for (int i = 0; i < 3; ++i) f.launch({kGreedy});
  CHECK(f.pipeline.is_full());
  CHECK(f.runner.said == "greedy; greedy on device; greedy on device; ");
  CHECK(f.collect() == Tokens{TokenId(0)});
  f.launch({kGreedy});
  CHECK(f.collect() == Tokens{TokenId(1)});
  CHECK(f.collect() == Tokens{TokenId(2)});
  CHECK(f.collect() == Tokens{TokenId(3)});
  CHECK(f.pipeline.is_empty());
}

TEST_CASE("behind a step that the host samples, all before are sampled first, in order") {
  Fixture f(3);
  f.launch({kGreedy, kTold});
  f.launch({kGreedy});
  f.launch({kTold});
  // The second needs what the first chose, the third finds it on the device.
  CHECK(f.runner.said == "launch; collect; greedy 0 1; launch on device; ");
  CHECK(f.collect() == Tokens{TokenId(0), TokenId(1)});
  f.launch({kTold});
  CHECK(f.runner.said ==
        "launch; collect; greedy 0 1; launch on device; collect; collect; launch 2; ");
  CHECK(f.collect() == Tokens{TokenId(1)});
  CHECK(f.collect() == Tokens{TokenId(2)});
  CHECK(f.collect() == Tokens{TokenId(3)});
}

TEST_CASE("a greedy step that is sampled already is told to the next one from the host") {
  Fixture f(2);
  f.launch({kGreedy});
  f.collect();
  f.launch({kGreedy});
  CHECK(f.runner.said == "greedy; collect; greedy 0; ");
}

TEST_CASE("hidden states go to the chunks that asked for them") {
  Fixture f(1);
  StepPlan& plan = f.pipeline.next();
  plan.chunks = {{.request = kGreedy, .first = 0, .count = 3, .hidden = 2},
                 {.request = kGreedy, .first = 0, .count = 1},
                 {.request = kGreedy, .first = 0, .count = 1, .hidden = 1}};
  f.pipeline.launch();
  const auto results = f.pipeline.collect().results;
  CHECK(results[0].hidden == std::vector<float>{1, 2, 3, 4});
  CHECK(results[1].hidden.empty());
  CHECK(results[2].hidden == std::vector<float>{5, 6});
}

TEST_CASE("draining waits for every step that runs") {
  Fixture f(3);
  f.launch({kGreedy});
  f.launch({kGreedy});
  f.pipeline.drain();
  CHECK(f.pipeline.is_empty());
  CHECK(f.runner.said == "greedy; greedy on device; collect; collect; ");
}

}  // namespace
}  // namespace pagoda
