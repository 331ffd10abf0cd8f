// For tests: runs a model without an engine. Tokens of several sequences go through a paged cache
// in whatever portions the test likes.
//
// Thread rule: one runner a rank, on the thread of its rank.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "load/weight_schemes.h"
#include "load/weight_store.h"
#include "models/model.h"
#include "models/model_definition.h"
#include "models/state_cache.h"
#include "tensor/communicator.h"
#include "tensor/device.h"
#include "vision/patches.h"

namespace pagoda {

// What one rank runs on.
struct TestRank {
  std::unique_ptr<Device> device;
  std::unique_ptr<Communicator> communicator;
};

// A picture in a sequence, as the encoder made it: rows * columns tokens from `first` on.
struct TestPicture {
  int64_t first, rows, columns;
  std::vector<float> embeddings;  // [rows * columns, hidden]
};

struct TestSequence {
  std::vector<int32_t> tokens;
  int64_t computed = 0;                    // tokens whose keys and values are in the cache
  std::vector<int32_t> blocks = {};        // grown by the runner
  std::vector<TestPicture> pictures = {};  // in order
};

struct Portion {
  TestSequence* sequence;
  int64_t tokens;  // the next ones of the sequence
};

struct TestRunnerOptions {
  DType dtype = DType::kF32;
  bool expert_parallel = false;
  int64_t blocks = 96;        // of the cache, 16 tokens each
  int64_t max_positions = 0;  // the longest context; 0: what the model was made for
  Ops* ops = nullptr;         // those of the device where null
  LayerRange layers = {};
};

class TestRunner {
 public:
  TestRunner(const ModelDefinition& definition, const WeightSource& source, const TestRank& rank,
             const TestRunnerOptions& options);

  // One step. Logits f32 [tokens of all portions, vocab]; of a stage before the last the stream
  // [tokens of all portions, hidden], which the next one's step is given.
  std::vector<float> step(const std::vector<Portion>& portions,
                          const std::vector<float>& stream = {});
  int64_t vocab() const { return vocab_; }

  // What the encoder hands to the decoder for a picture, [merged patches, hidden] row by row of the
  // picture. `cuts`: stages at which it is interrupted. `after` is called with the stream [patches,
  // width] after every piece.
  using SeeStream = std::function<void(const std::vector<float>& stream)>;
  std::vector<float> encode(const Image& resized, const PatchConfig& config,
                            const std::vector<int64_t>& cuts, const SeeStream& after = {});
  const ImageEncoder* image_encoder() const { return model_->image_encoder(); }

  // What follows each prompt if every token is the most likely one: `counts[i]` tokens of prompt i.
  // Prompts run together, in one step, and so do their continuations.
  std::vector<std::vector<int32_t>> continue_greedily(
      const std::vector<std::vector<int32_t>>& prompts, const std::vector<size_t>& counts);

 private:
  Tensor input(const std::vector<int32_t>& values);  // i32 on the device
  // Rounded to the activations' dtype.
  Tensor numbers(Workspace& memory, const std::vector<float>& values, int64_t columns);
  std::vector<float> host(Tensor t);  // of the activations' dtype, or f32
  Batch batch_of(const std::vector<Portion>& portions);
  void give_pictures(const Portion& portion, int32_t first_row, std::vector<float>& values,
                     std::vector<int32_t>& rows) const;
  static void append_positions(const Portion& portion,
                               std::vector<std::vector<int32_t>>& positions);
  Tensor block_table(const std::vector<Portion>& portions);
  void make_room(TestSequence& sequence, int64_t tokens);

  Device& device_;
  Communicator& communicator_;
  Ops& ops_;
  const bool is_last_stage_;
  int64_t vocab_, position_axes_;
  const WeightSchemes schemes_;
  WeightStore store_;
  std::unique_ptr<Model> model_;
  const int64_t block_size_, blocks_;
  StateCache state_;
  std::vector<int32_t> free_blocks_;
  Workspace scratch_, inputs_;
};

// The most likely token of one row of logits.
int32_t most_likely(std::span<const float> logits);

}  // namespace pagoda
