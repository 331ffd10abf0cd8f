// For tests: a golden checkpoint folder, and whether a model computes what it expects.
//
// A folder is a checkpoint with `expected.json` and `expected.tensors`: what the reference
// (transformers, float32) computes from it. See PROVENANCE in testdata/models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/test_runner.h"

namespace pagoda {

struct GoldenPicture {
  Image resized;
  int64_t first;  // of its tokens in the prompt
};

struct GoldenPrompt {
  std::vector<int32_t> ids, greedy;
  std::vector<GoldenPicture> pictures;
  std::vector<float> logits;  // [ids, vocab]
  bool is_bf16_comparable;    // false: 16 bits send tokens to other experts
  int64_t bf16_safe_steps;    // greedy tokens that 16 bits cannot change
};

struct Golden {
  std::string name;
  ModelDefinition definition;
  std::vector<GoldenPrompt> prompts;
  PatchConfig patches;                                // of models that see pictures
  double bf16_max, bf16_rms;                          // tolerance of 16-bit arithmetic
  std::map<std::string, std::vector<float>> tensors;  // of expected.tensors; whole
                                                      // numbers, all small, as floats
};

Golden read_golden(const std::filesystem::path& folder);
// Folders of architectures, and of forms of weights, that this build has, in order of their names.
std::vector<std::filesystem::path> golden_folders(const std::filesystem::path& root);

// Largest and root-mean-square difference, divided by the root mean square of `expected`.
struct Difference {
  double max, rms;
};
Difference difference(const std::vector<float>& got, const std::vector<float>& expected);

// A prompt with its pictures, encoded.
TestSequence sequence_of(const Golden& golden, size_t prompt, TestRunner& runner);

// What one rank makes of the prompts: all go through the cache together, in portions drawn from
// `seed`, then each continues greedily.
struct GoldenRun {
  std::vector<std::vector<float>> logits;    // one a prompt, [ids, vocab]
  std::vector<std::vector<int32_t>> greedy;  // one a prompt
};
GoldenRun run_golden(const Golden& golden, TestRunner& runner, uint64_t seed);

}  // namespace pagoda
