// For tests: runs a model without an engine. Tokens of several sequences go through a paged cache
// in whatever portions the test likes.
//
// Thread rule: one runner a rank, on the thread of its rank.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "load/weight_store.h"
#include "models/model.h"
#include "tensor/communicator.h"
#include "tensor/device.h"

namespace pagoda {

// What one rank runs on.
struct TestRank {
  std::unique_ptr<Device> device;
  std::unique_ptr<Communicator> communicator;
};

struct TestSequence {
  std::vector<int32_t> tokens;
  int64_t computed = 0;              // tokens whose keys and values are in the cache
  std::vector<int32_t> blocks = {};  // grown by the runner
};

struct Portion {
  TestSequence* sequence;
  int64_t tokens;  // the next ones of the sequence
};

struct TestRunnerOptions {
  DType dtype = DType::kF32;
  bool expert_parallel = false;
  int64_t blocks = 96;  // of the cache, 16 tokens each
  Ops* ops = nullptr;   // those of the device where null
};

class TestRunner {
 public:
  TestRunner(const HfConfig& config, const WeightSource& source, const TestRank& rank,
             const TestRunnerOptions& options);

  // One step. Logits f32 [tokens of all portions, vocab].
  std::vector<float> step(const std::vector<Portion>& portions);
  int64_t vocab() const { return vocab_; }

  // What follows each prompt if every token is the most likely one: `counts[i]` tokens of prompt i.
  // Prompts run together, in one step, and so do their continuations.
  std::vector<std::vector<int32_t>> continue_greedily(
      const std::vector<std::vector<int32_t>>& prompts, const std::vector<size_t>& counts);

 private:
  void make_cache(const KvGeometry& geometry, const TestRunnerOptions& options);
  Tensor input(const std::vector<int32_t>& values);  // i32 on the device
  void make_room(TestSequence& sequence, int64_t tokens);

  Device& device_;
  Communicator& communicator_;
  Ops& ops_;
  int64_t vocab_;
  WeightStore store_;
  std::unique_ptr<Model> model_;
  std::vector<Buffer> cache_;  // one a layer
  std::vector<KvLayer> kv_;
  const int64_t blocks_;
  std::vector<int32_t> free_blocks_;
  Workspace scratch_, inputs_;
};

// The most likely token of one row of logits.
int32_t most_likely(std::span<const float> logits);

}  // namespace pagoda
