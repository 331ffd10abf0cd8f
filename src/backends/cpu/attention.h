// Paged attention: how the work is cut. The arithmetic is in attention_kernels.h.
//
// Query rows that share a KV head are taken in tiles; a tile visits its keys in splits at multiples
// of kSplitKeys and folds one after the other into a running softmax. Where there are too few tiles
// for the threads (decoding one long sequence), every split of every tile is computed on its own
// and the results are folded afterwards, in the same order: the same bits either way.
//
// Thread rule: the thread that owns the team.
#pragma once

#include <vector>

#include "backends/cpu/kernels.h"
#include "base/thread_team.h"
#include "tensor/buffer.h"
#include "tensor/ops.h"

namespace pagoda::cpu {

// Kept between calls so that steps allocate nothing once warm.
struct AttentionScratch {
  std::vector<std::vector<std::byte>> of_worker;
  std::vector<float> partials;
  Buffer segments;                                      // keys and values of segment_attention
  std::vector<int32_t> table, slots, lengths, queries;  // likewise
};

void paged_attention(const Attention& call, const Kernels& kernels, ThreadTeam& team,
                     AttentionScratch& scratch);

// Puts keys and values of some heads at a time into blocks, as a cache has them, so that a large
// picture needs kSegmentBytes and not all of its heads; each segment is a sequence.
void segment_attention(const SegmentAttention& call, const Kernels& kernels, ThreadTeam& team,
                       AttentionScratch& scratch);

}  // namespace pagoda::cpu
