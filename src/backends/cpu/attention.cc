#include "backends/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/cpu/kv_blocks.h"
#include "base/must.h"

namespace pagoda::cpu {
namespace {

// Query rows (tokens times heads of a group) of a tile: enough to pay for reading keys from L2.
constexpr int64_t kTileRows = 48;
// Splits are computed apart while there are fewer tiles than this for a thread.
constexpr int64_t kTilesPerThread = 4;
// Beyond that the results of single splits would not stay in the cache: fold at once instead.
constexpr int64_t kMostPartialBytes = int64_t{64} << 20;

// Of segment_attention: rows of a block, and what keys and values may take together.
constexpr int64_t kSegmentBlock = kKeyGroup;
constexpr int64_t kSegmentBytes = int64_t{32} << 20;

int64_t blocks_for(int64_t rows) {
  return (rows + kSegmentBlock - 1) / kSegmentBlock;
}

// Neighboring tokens of one sequence, for one KV head.
struct Tile {
  int64_t sequence, kv_head;
  int64_t first_row, tokens;  // rows of q
  int64_t first_position;     // in its sequence
  int64_t length;             // of its sequence
  int64_t first_split, splits;
  int64_t first_partial;  // where the results of its splits are, in rows of (value_dim + 2) floats
};

enum class Sight : bool { kBefore, kAll };  // what a row sees of its sequence

// Everything that is the same for all tiles.
struct Job {
  // The cache's KV heads serve the query heads [first_head, first_head + query_heads).
  Job(const Attention& a, const Kernels& k, Sight sight, int64_t first_head, int64_t query_heads);

  const Attention& call;
  const Kernels& kernels;
  const NumberKernels& q_kernels;
  const NumberKernels& kv_kernels;
  const KvBlockLayout layout;
  const int64_t value_dim, padded_value_dim;  // padded to kValueAlignment
  const Sight sight;
  const int64_t heads, first_head, group, tile_tokens;

  int64_t rows(const Tile& tile) const { return tile.tokens * group; }
  int64_t most_rows() const { return tile_tokens * group; }
  int64_t partial_floats() const { return padded_value_dim + 2; }
  // Row `row` of a tile: token first_row + row / group, query head row % group of the group.
  std::byte* row_of(const Tensor& t, const Tile& tile, int64_t row) const {
    const int64_t index =
        (tile.first_row + row / group) * heads + first_head + tile.kv_head * group + row % group;
    return t.as<std::byte>() + index * t.dim(2) * bytes_of(t.dtype);
  }
};

Job::Job(const Attention& a, const Kernels& k, Sight s, int64_t first, int64_t query_heads)
    : call(a),
      kernels(k),
      q_kernels(k.of[static_cast<size_t>(a.q.dtype)]),
      kv_kernels(k.of[static_cast<size_t>(a.cache.shape.dtype)]),
      layout(a.cache.shape, a.cache.block_size),
      value_dim(a.out.dim(2)),
      padded_value_dim((value_dim + kValueAlignment - 1) / kValueAlignment * kValueAlignment),
      sight(s),
      heads(a.q.dim(1)),
      first_head(first),
      group(query_heads / a.cache.shape.kv_heads),
      tile_tokens(std::max<int64_t>(1, kTileRows / group)) {}

// First key that the query at `position` sees.
int64_t first_visible(const Job& job, int64_t position) {
  return job.call.window > 0 ? std::max<int64_t>(0, position - job.call.window + 1) : 0;
}

// Behind the last key that the query at `position` sees.
int64_t behind_visible(const Job& job, const Tile& tile, int64_t position) {
  return job.sight == Sight::kAll ? tile.length : position + 1;
}

// Tiles of one sequence, appended. `partials` counts on.
void cut_sequence(const Job& job, int64_t sequence, int64_t& partials, std::vector<Tile>& tiles) {
  const auto* offsets = job.call.index.query_offsets.as<int32_t>();
  const int64_t behind = offsets[sequence + 1];
  const int64_t length = job.call.index.kv_lengths.as<int32_t>()[sequence];
  for (int64_t row = offsets[sequence]; row < behind; row += job.tile_tokens) {
    const int64_t tokens = std::min(job.tile_tokens, behind - row);
    const int64_t position = length - (behind - row);
    const int64_t first = first_visible(job, position) / kSplitKeys;
    const int64_t last = job.sight == Sight::kAll ? length - 1 : position + tokens - 1;
    const int64_t splits = last / kSplitKeys + 1 - first;
    for (int64_t h = 0; h < job.call.cache.shape.kv_heads; ++h) {
      tiles.push_back({sequence, h, row, tokens, position, length, first, splits, partials});
      partials += splits * tokens * job.group;
    }
  }
}

std::vector<Tile> cut_into_tiles(const Job& job) {
  std::vector<Tile> tiles;
  int64_t partials = 0;
  for (int64_t s = 0; s < job.call.index.kv_lengths.dim(0); ++s) {
    cut_sequence(job, s, partials, tiles);
  }
  return tiles;
}

// A worker's memory, carved up.
struct WorkerScratch {
  WorkerScratch(const Job& job, std::vector<std::byte>& memory);

  float* queries;  // packed
  float* row;      // [key_dim]
  float* scores;   // [rows, kSplitKeys]
  float* out;      // [rows, value_dim]
  float* max;
  float* sum;
  float* state;  // [rows, value_dim + 2]
  int32_t* begin;
  int32_t* end;
  std::byte* keys;
};

WorkerScratch::WorkerScratch(const Job& job, std::vector<std::byte>& memory) {
  const int64_t rows = job.most_rows(), key_dim = job.layout.key_dim;
  const int64_t sizes[] = {rows * key_dim,
                           key_dim,
                           rows * kSplitKeys,
                           rows * job.padded_value_dim,
                           rows,
                           rows,
                           rows * job.partial_floats(),
                           rows,
                           rows,
                           job.layout.keys_in_groups ? 0 : kSplitKeys * key_dim};
  int64_t floats = 0;
  for (const int64_t size : sizes) floats += (size + 15) / 16 * 16;
  if (memory.size() < static_cast<size_t>(floats) * 4)
    memory.resize(static_cast<size_t>(floats) * 4);
  void* parts[std::size(sizes)];
  std::byte* next = memory.data();
  for (size_t i = 0; i < std::size(sizes); ++i) {
    parts[i] = next;
    next += (sizes[i] + 15) / 16 * 64;
  }
  queries = static_cast<float*>(parts[0]);
  row = static_cast<float*>(parts[1]);
  scores = static_cast<float*>(parts[2]);
  out = static_cast<float*>(parts[3]);
  max = static_cast<float*>(parts[4]);
  sum = static_cast<float*>(parts[5]);
  state = static_cast<float*>(parts[6]);
  begin = static_cast<int32_t*>(parts[7]);
  end = static_cast<int32_t*>(parts[8]);
  keys = static_cast<std::byte*>(parts[9]);
}

// Queries times scale, in tiles of the kernel: [key_dim][rows of the tile].
void pack_queries(const Job& job, const Tile& tile, WorkerScratch& w) {
  const int64_t rows = job.rows(tile), key_dim = job.layout.key_dim;
  const int64_t step = job.kv_kernels.attention.query_tile;
  for (int64_t r = 0; r < rows; ++r) {
    job.q_kernels.widen(w.row, job.row_of(job.call.q, tile, r), key_dim);
    const int64_t first = r / step * step, width = std::min(step, rows - first);
    float* to = w.queries + first * key_dim + r % step;
    for (int64_t d = 0; d < key_dim; ++d) to[d * width] = w.row[d] * job.call.scale;
  }
}

// Visible keys of each row within the split.
void find_visible(const Job& job, const Tile& tile, int64_t split, WorkerScratch& w) {
  for (int64_t r = 0; r < job.rows(tile); ++r) {
    const int64_t position = tile.first_position + r / job.group;
    const int64_t first = split * kSplitKeys;
    const int64_t begin = std::clamp<int64_t>(first_visible(job, position) - first, 0, kSplitKeys);
    const int64_t end =
        std::clamp<int64_t>(behind_visible(job, tile, position) - first, begin, kSplitKeys);
    w.begin[r] = static_cast<int32_t>(begin);
    w.end[r] = static_cast<int32_t>(end);
  }
}

// Leaves the split's softmax in w.out, w.max and w.sum.
void attend_split(const Job& job, const Tile& tile, int64_t split, WorkerScratch& w) {
  find_visible(job, tile, split, w);
  const int64_t first = split * kSplitKeys, last_position = tile.first_position + tile.tokens - 1;
  const Tensor& table = job.call.index.block_table;
  const SplitPointers found =
      find_split({.cache = &job.call.cache,
                  .layout = &job.layout,
                  .table = table.as<int32_t>() + tile.sequence * table.dim(1),
                  .kv_head = tile.kv_head,
                  .first = first,
                  .begin = std::max(first, first_visible(job, tile.first_position)),
                  .end = std::min(first + kSplitKeys, behind_visible(job, tile, last_position)),
                  .scratch = w.keys});
  job.kv_kernels.attention.attend({.queries = w.queries,
                                   .rows = job.rows(tile),
                                   .key_dim = job.layout.key_dim,
                                   .value_dim = job.padded_value_dim,
                                   .key_groups = found.key_groups,
                                   .values = found.values,
                                   .begin = w.begin,
                                   .end = w.end,
                                   .soft_cap = job.call.soft_cap,
                                   .scores = w.scores,
                                   .out = w.out,
                                   .max = w.max,
                                   .sum = w.sum});
}

// A row of state or partials: [value_dim] out, max, sum.
SoftmaxState state_at(float* rows, const Job& job, int64_t row) {
  float* out = rows + row * job.partial_floats();
  return {out, out + job.padded_value_dim, out + job.padded_value_dim + 1};
}

void clear(SoftmaxState state, const Job& job) {
  std::fill_n(state.out, job.padded_value_dim, 0.0f);
  *state.max = -std::numeric_limits<float>::infinity();
  *state.sum = 0;
}

// A sink adds to the sum, and to nothing else: what it weighs against the largest score.
float sum_with_sink(const Job& job, const Tile& tile, int64_t row, SoftmaxState state) {
  if (job.call.sinks.empty()) return *state.sum;
  const int64_t head = job.first_head + tile.kv_head * job.group + row % job.group;
  return *state.sum + std::exp(job.call.sinks.as<float>()[head] - *state.max);
}

void store_row(const Job& job, const Tile& tile, int64_t row, SoftmaxState state) {
  job.kernels.divide(state.out, sum_with_sink(job, tile, row, state), job.value_dim);
  job.q_kernels.narrow(job.row_of(job.call.out, tile, row), state.out, job.value_dim);
}

void attend_whole_tile(const Job& job, const Tile& tile, WorkerScratch& w) {
  pack_queries(job, tile, w);
  for (int64_t r = 0; r < job.rows(tile); ++r) clear(state_at(w.state, job, r), job);
  for (int64_t i = 0; i < tile.splits; ++i) {
    attend_split(job, tile, tile.first_split + i, w);
    for (int64_t r = 0; r < job.rows(tile); ++r) {
      if (w.begin[r] == w.end[r]) continue;
      const SoftmaxState split = {w.out + r * job.padded_value_dim, w.max + r, w.sum + r};
      job.kernels.merge(state_at(w.state, job, r), split, job.padded_value_dim);
    }
  }
  for (int64_t r = 0; r < job.rows(tile); ++r) store_row(job, tile, r, state_at(w.state, job, r));
}

// Some splits of a tile, each on its own.
struct Run {
  size_t tile;
  int64_t begin, end;  // within the tile's splits
};

void attend_run(const Job& job, const Tile& tile, const Run& run, WorkerScratch& w,
                float* partials) {
  pack_queries(job, tile, w);
  for (int64_t i = run.begin; i < run.end; ++i) {
    attend_split(job, tile, tile.first_split + i, w);
    for (int64_t r = 0; r < job.rows(tile); ++r) {
      const int64_t row = tile.first_partial + i * job.rows(tile) + r;
      const SoftmaxState to = state_at(partials, job, row);
      clear(to, job);
      if (w.begin[r] == w.end[r]) continue;
      std::copy_n(w.out + r * job.padded_value_dim, job.padded_value_dim, to.out);
      *to.max = w.max[r];
      *to.sum = w.sum[r];
    }
  }
}

// About kTilesPerThread runs for every thread.
std::vector<Run> cut_into_runs(const std::vector<Tile>& tiles, int threads) {
  int64_t splits = 0;
  for (const Tile& tile : tiles) splits += tile.splits;
  const int64_t length = std::max<int64_t>(1, splits / (kTilesPerThread * threads));
  std::vector<Run> runs;
  for (size_t t = 0; t < tiles.size(); ++t) {
    for (int64_t i = 0; i < tiles[t].splits; i += length) {
      runs.push_back({t, i, std::min(i + length, tiles[t].splits)});
    }
  }
  return runs;
}

void fold_splits(const Job& job, const Tile& tile, WorkerScratch& w, float* partials) {
  for (int64_t r = 0; r < job.rows(tile); ++r) {
    const SoftmaxState state = state_at(w.state, job, 0);
    clear(state, job);
    for (int64_t i = 0; i < tile.splits; ++i) {
      const SoftmaxState split =
          state_at(partials, job, tile.first_partial + i * job.rows(tile) + r);
      if (*split.sum == 0) continue;  // the row sees nothing of this split
      job.kernels.merge(state, split, job.padded_value_dim);
    }
    store_row(job, tile, r, state);
  }
}

void attend_in_splits(const Job& job, const std::vector<Tile>& tiles, ThreadTeam& team,
                      AttentionScratch& scratch) {
  const std::vector<Run> runs = cut_into_runs(tiles, team.size());
  team.for_chunks(static_cast<int64_t>(runs.size()), 1,
                  [&](int64_t begin, int64_t end, int worker) {
                    WorkerScratch w(job, scratch.of_worker[static_cast<size_t>(worker)]);
                    for (int64_t n = begin; n < end; ++n) {
                      const Run& run = runs[static_cast<size_t>(n)];
                      attend_run(job, tiles[run.tile], run, w, scratch.partials.data());
                    }
                  });
  const auto tile_count = static_cast<int64_t>(tiles.size());
  team.for_chunks(tile_count, 1, [&](int64_t begin, int64_t end, int worker) {
    WorkerScratch w(job, scratch.of_worker[static_cast<size_t>(worker)]);
    for (int64_t n = begin; n < end; ++n) {
      fold_splits(job, tiles[static_cast<size_t>(n)], w, scratch.partials.data());
    }
  });
}

void attend(const Job& job, ThreadTeam& team, AttentionScratch& scratch) {
  const std::vector<Tile> tiles = cut_into_tiles(job);
  if (tiles.empty()) return;
  scratch.of_worker.resize(static_cast<size_t>(team.size()));
  const Tile& last = tiles.back();
  const int64_t partial_rows = last.first_partial + last.splits * job.rows(last);
  const int64_t partial_floats = partial_rows * job.partial_floats();
  const auto count = static_cast<int64_t>(tiles.size());
  if (team.size() > 1 && count < kTilesPerThread * team.size() &&
      partial_floats * 4 <= kMostPartialBytes) {
    if (scratch.partials.size() < static_cast<size_t>(partial_floats)) {
      scratch.partials.resize(static_cast<size_t>(partial_floats));
    }
    attend_in_splits(job, tiles, team, scratch);
    return;
  }
  // Later tiles of a sequence see more keys: the longest first, so that threads end together.
  team.for_chunks(count, 1, [&](int64_t begin, int64_t end, int worker) {
    WorkerScratch w(job, scratch.of_worker[static_cast<size_t>(worker)]);
    for (int64_t i = begin; i < end; ++i) {
      attend_whole_tile(job, tiles[static_cast<size_t>(count - 1 - i)], w);
    }
  });
}

// Each segment as a sequence with blocks of its own, in order.
struct SegmentBlocks {
  int64_t segments = 0, blocks = 0, table_width = 0;
};

SegmentBlocks deal_blocks(const SegmentAttention& call, AttentionScratch& scratch) {
  const auto* offsets = call.offsets.as<int32_t>();
  SegmentBlocks out = {.segments = call.offsets.count() - 1};
  scratch.queries.assign(offsets, offsets + out.segments + 1);
  if (out.segments == 1) scratch.queries.back() = static_cast<int32_t>(call.q.dim(0));
  scratch.lengths.clear();
  for (int64_t s = 0; s < out.segments; ++s) {
    scratch.lengths.push_back(offsets[s + 1] - offsets[s]);
    out.table_width = std::max(out.table_width, blocks_for(scratch.lengths.back()));
  }
  scratch.table.assign(static_cast<size_t>(out.segments * out.table_width), 0);
  scratch.slots.clear();
  for (int64_t s = 0; s < out.segments; ++s) {
    const int64_t length = scratch.lengths[static_cast<size_t>(s)];
    for (int64_t b = 0; b < blocks_for(length); ++b) {
      scratch.table[static_cast<size_t>(s * out.table_width + b)] =
          static_cast<int32_t>(out.blocks + b);
    }
    for (int64_t i = 0; i < length; ++i) {
      scratch.slots.push_back(static_cast<int32_t>(out.blocks * kSegmentBlock + i));
    }
    out.blocks += blocks_for(length);
  }
  return out;
}

// Keys and values of as many heads as the cache has, from first_head on.
void fill_segments(const SegmentAttention& call, const KvLayer& cache, int64_t first_head,
                   ThreadTeam& team, const AttentionScratch& scratch) {
  const KvBlockLayout layout(cache.shape, cache.block_size);
  const int64_t heads = call.k.dim(1), head_bytes = call.k.dim(2) * bytes_of(call.k.dtype);
  const auto write_row = [&](int64_t row) {
    const int64_t slot = scratch.slots[static_cast<size_t>(row)];
    auto* block = rows_of(cache.blocks, slot / kSegmentBlock, 1).as<std::byte>();
    for (int64_t h = 0; h < cache.shape.kv_heads; ++h) {
      const int64_t at = (row * heads + first_head + h) * head_bytes;
      write_token(block + h * layout.head_bytes, layout, slot % kSegmentBlock,
                  call.k.as<std::byte>() + at, call.v.as<std::byte>() + at);
    }
  };
  team.for_chunks(call.k.dim(0), kSegmentBlock, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) write_row(row);
  });
}

}  // namespace

void paged_attention(const Attention& call, const Kernels& kernels, ThreadTeam& team,
                     AttentionScratch& scratch) {
  attend(Job(call, kernels, Sight::kBefore, 0, call.q.dim(1)), team, scratch);
}

void segment_attention(const SegmentAttention& call, const Kernels& kernels, ThreadTeam& team,
                       AttentionScratch& scratch) {
  if (call.q.empty()) return;
  const SegmentBlocks dealt = deal_blocks(call, scratch);
  const int64_t heads = call.q.dim(1), dim = call.q.dim(2);
  const auto shape_of = [&](int64_t n) {
    return KvShape{.kv_heads = n, .key_dim = dim, .value_dim = dim, .dtype = call.q.dtype};
  };
  const auto bytes_of_heads = [&](int64_t n) {
    return dealt.blocks * KvBlockLayout(shape_of(n), kSegmentBlock).block_bytes;
  };
  const int64_t together = std::clamp<int64_t>(kSegmentBytes / bytes_of_heads(1), 1, heads);
  if (scratch.segments.bytes() < bytes_of_heads(together)) {
    scratch.segments = reserve_host_memory(bytes_of_heads(together));
  }
  const AttentionIndex index = {
      .block_table =
          make_view(scratch.table.data(), {dealt.segments, dealt.table_width}, DType::kI32),
      .query_offsets = make_view(scratch.queries.data(), {dealt.segments + 1}, DType::kI32),
      .kv_lengths = make_view(scratch.lengths.data(), {dealt.segments}, DType::kI32)};
  for (int64_t first = 0; first < heads; first += together) {
    const int64_t n = std::min(together, heads - first);
    const KvLayer cache = {
        .blocks = make_view(scratch.segments.data(),
                            {dealt.blocks, bytes_of_heads(n) / dealt.blocks}, DType::kU8),
        .shape = shape_of(n),
        .block_size = kSegmentBlock};
    fill_segments(call, cache, first, team, scratch);
    const Attention paged = {
        .out = call.out, .q = call.q, .cache = cache, .index = index, .scale = call.scale};
    attend(Job(paged, kernels, Sight::kAll, first, n), team, scratch);
  }
}

}  // namespace pagoda::cpu
