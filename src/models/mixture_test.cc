// Mixtures of experts in steps that are too large to run through the experts at once.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "models/test_golden.h"
#include "models/test_world.h"

namespace pagoda {
namespace {

constexpr size_t kSequences = 10;
constexpr int64_t kTokens = 210;  // of each; 2100 together, more than MoeMlp takes at once

std::vector<TestSequence> make_sequences() {
  std::vector<TestSequence> sequences(kSequences);
  for (size_t s = 0; s < kSequences; ++s) {
    for (int64_t t = 0; t < kTokens; ++t) {
      sequences[s].tokens.push_back(static_cast<int32_t>((t * 31 + static_cast<int64_t>(s)) % 251));
    }
  }
  return sequences;
}

// Logits of all sequences, in steps of so many sequences.
std::vector<float> logits_in_steps_of(size_t count) {
  const auto folder =
      std::filesystem::path(PAGODA_SOURCE_DIR) / "testdata" / "models" / "qwen2-moe-norm";
  const auto source = open_checkpoint(folder);
  const TestRank rank = {open_device("cpu", {.ordinal = 0, .threads = 2}),
                         std::make_unique<SoloCommunicator>()};
  TestRunner runner(define_model(HfConfig::load(folder)), *source, rank,
                    {.dtype = DType::kBF16, .blocks = 150});
  std::vector<TestSequence> sequences = make_sequences();
  std::vector<float> logits;
  for (size_t first = 0; first < kSequences; first += count) {
    std::vector<Portion> portions;
    for (size_t s = first; s < std::min(first + count, kSequences); ++s) {
      portions.push_back({&sequences[s], kTokens});
    }
    const std::vector<float> step = runner.step(portions);
    logits.insert(logits.end(), step.begin(), step.end());
  }
  return logits;
}

}  // namespace

TEST_CASE("a step larger than experts take at once gives the bits of small steps") {
  CHECK(logits_in_steps_of(kSequences) == logits_in_steps_of(1));
}

}  // namespace pagoda
