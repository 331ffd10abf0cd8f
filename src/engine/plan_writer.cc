#include "engine/plan_writer.h"

#include <span>

#include "base/must.h"

namespace pagoda {
namespace {

template <class T>
std::span<const T> part(std::span<const T> all, int64_t first, int64_t count) {
  return all.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
}

// The one token of a sequence whose next token is still being chosen is that one.
void write_tokens(StepPlan& plan, const PlannedChunk& chunk, const Sequence& sequence) {
  if (sequence.num_pending() > 0) {
    MUST(chunk.count == 1 && chunk.end() == sequence.num_tokens() + sequence.num_pending());
    plan.sampled.push_back({.token = static_cast<int32_t>(plan.tokens.size()),
                            .output = static_cast<int32_t>(sequence.last_output())});
    plan.tokens.emplace_back(0);
  } else {
    const auto tokens = part(sequence.tokens(), chunk.first, chunk.count);
    plan.tokens.insert(plan.tokens.end(), tokens.begin(), tokens.end());
  }
  if (chunk.prompt_outputs() > 0) {
    const int64_t first_output = chunk.end() - chunk.outputs;
    const auto next = part(sequence.tokens(), first_output + 1, chunk.prompt_outputs());
    plan.next_tokens.insert(plan.next_tokens.end(), next.begin(), next.end());
  }
  if (!chunk.is_bent) return;
  for (int64_t token = chunk.first; token < chunk.end(); ++token) {
    plan.positions.push_back(sequence.position(token));
  }
}

void write_blocks(StepPlan& plan, int64_t blocks, const Sequence& sequence) {
  plan.tables.resize(sequence.state.tables.size());
  for (size_t group = 0; group < plan.tables.size(); ++group) {
    const BlockTable& table = sequence.state.tables[group];
    for (int64_t i = 0; i < blocks; ++i) {
      plan.tables[group].blocks.push_back(i < table.first() ? BlockId() : table[i]);
    }
  }
}

}  // namespace

void write_chunk(StepPlan& plan, PlannedChunk chunk, const Sequence& sequence, int64_t block_size) {
  chunk.request = sequence.id();
  chunk.is_bent = sequence.is_bent();
  plan.chunks.push_back(chunk);
  write_tokens(plan, chunk, sequence);
  write_blocks(plan, (chunk.end() + block_size - 1) / block_size, sequence);
  if (const auto& slot = sequence.state.slot) plan.slots.push_back(slot->id().value());
}

}  // namespace pagoda
