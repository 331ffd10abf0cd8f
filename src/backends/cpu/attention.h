// Paged attention: how the work is cut. The arithmetic is in attention_kernels.h.
//
// Query rows that share a KV head are taken in tiles; a tile visits its keys in splits at multiples
// of kSplitKeys and folds one after the other into a running softmax. Where there are too few tiles
// for the threads (decoding one long sequence), every split of every tile is computed on its own
// and the results are folded afterwards, in the same order: the same bits either way.
//
// Thread rule: the thread that owns the team.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/scratch.h"
#include "base/thread_team.h"
#include "tensor/ops.h"

namespace pagoda::cpu {

void paged_attention(const Attention& call, const Kernels& kernels, ThreadTeam& team,
                     Scratch& scratch);

// Puts keys and values of some heads at a time into blocks, as a cache has them, so that a large
// picture needs kSegmentBytes and not all of its heads; each segment is a sequence.
void segment_attention(const SegmentAttention& call, const Kernels& kernels, ThreadTeam& team,
                       Scratch& scratch);

// What a call with such tensors takes of the scratch, whatever their numbers. They may lack memory.
// More rows, sequences or blocks never take less.
int64_t scratch_bytes(const Attention& call, int threads);
int64_t scratch_bytes(const SegmentAttention& call, int threads);

}  // namespace pagoda::cpu
