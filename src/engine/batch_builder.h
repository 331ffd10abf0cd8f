// A step plan as the tensors that a model reads, on one rank's device.
//
// All numbers of a step go to the device in one copy.
//
// Thread rule: the thread of its rank.
#pragma once

#include <cstdint>
#include <span>

#include "engine/step_plan.h"
#include "nn/step.h"
#include "tensor/buffer.h"
#include "tensor/device.h"
#include "tensor/staging.h"

namespace pagoda {

// The largest batch.
struct BatchLimits {
  int64_t tokens, sequences, outputs;
  int64_t blocks_a_sequence;
  int64_t hidden = 0;  // rows whose hidden states are wanted
  int64_t given = 0;   // rows that are pictures'
  int64_t chosen = 0;  // tokens that the device has chosen itself
  int64_t axes = 1;    // of positions
  size_t groups = 1;   // of layers that share block tables
  int64_t slots = 0;   // sequences whose state of fixed size is kept: all, or none
  int64_t begun = 0;   // of those, such that begin
};

// What goes into a step.
struct StepInput {
  Batch batch;          // `given` is still to be gathered, and tokens that the device has chosen
  Tensor picture_rows;  // i32 [given], rows of the arena, one for each of batch.given_rows
  Tensor hidden_rows;   // i32 [hidden], rows whose hidden states are wanted
  // i32 [chosen]: tokens of the batch that are chosen on the device, and the outputs of the step
  // before that choose them.
  Tensor chosen_tokens, chosen_outputs;
  Tensor begun_slots;  // i32 [begun], of sequences that begin: what is in them is to be cleared
};

class BatchBuilder {
 public:
  // Of the device; of the host it takes kHostCopies times as much.
  static int64_t bytes(const BatchLimits& limits);
  static constexpr int kHostCopies = 2;

  BatchBuilder(Device& device, const BatchLimits& limits, int64_t block_size);

  // `sampled`: what outputs of the step before chose; empty: the device knows. Valid for what is
  // queued before the next call.
  StepInput& build(const StepPlan& plan, std::span<const TokenId> sampled = {});

 private:
  struct Layout;
  // input_, whose lists keep their memory.
  void point_at(const Layout& layout, const BatchLimits& size);
  // What is copied to the device.
  void fill(const StepPlan& plan, std::span<const TokenId> sampled, const Layout& layout);
  void fill_tokens(const StepPlan& plan, std::span<const TokenId> sampled, const Layout& layout);
  void fill_sequences(const StepPlan& plan, const Layout& layout);
  void fill_positions(const StepPlan& plan, const Layout& layout);
  void fill_position(int32_t* row, const BentPosition& at, int64_t stride) const;
  void fill_blocks(const StepPlan& plan, const Layout& layout, size_t group);
  void fill_given(const StepPlan& plan, const Layout& layout);
  void fill_chosen(const StepPlan& plan, const Layout& layout);
  void fill_slots(const StepPlan& plan, const Layout& layout);
  int64_t blocks_of(const PlannedChunk& chunk) const;
  int32_t* numbers(int64_t begin) { return host_ + begin; }

  const int64_t block_size_;
  const int64_t axes_;
  const size_t groups_;
  StepInput input_;
  Buffer buffer_;            // i32
  Staging staging_;          // what is copied into it
  int32_t* host_ = nullptr;  // of the step that is built
};

// The largest one without memory, for measuring.
StepInput input_without_memory(const BatchLimits& limits);

}  // namespace pagoda
