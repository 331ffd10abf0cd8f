#include "backends/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>

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

// What segment_attention does otherwise: a row sees all of its sequence, whose blocks follow one
// another, and the cache holds some of the heads.
struct Segments {
  const int32_t* first_blocks;  // one a segment
  int64_t first_head, heads;
};

// Everything that is the same for all tiles.
struct Job {
  // Null: a row sees what is before it, and the cache serves all heads.
  Job(const Attention& a, const Kernels& k, const Segments* segments);

  const Attention& call;
  const Kernels& kernels;
  const NumberKernels& q_kernels;
  const NumberKernels& kv_kernels;
  const KvBlockLayout layout;
  const int64_t value_dim, padded_value_dim;  // padded to kValueAlignment
  const Segments* const segments;
  const int64_t heads, first_head, group, tile_tokens;

  int64_t rows(const Tile& tile) const { return tile.tokens * group; }
  int64_t partial_floats() const { return padded_value_dim + 2; }
  // Row `row` of a tile: token first_row + row / group, query head row % group of the group.
  std::byte* row_of(const Tensor& t, const Tile& tile, int64_t row) const {
    const int64_t index =
        (tile.first_row + row / group) * heads + first_head + tile.kv_head * group + row % group;
    return t.as<std::byte>() + index * t.dim(2) * bytes_of(t.dtype);
  }
  const int32_t* table_of(const Tile& tile) const {
    const Tensor& table = call.index.block_table;
    return table.as<int32_t>() + (segments != nullptr ? segments->first_blocks[tile.sequence]
                                                      : tile.sequence * table.dim(1));
  }
};

int64_t padded(int64_t numbers) {
  return (numbers + kValueAlignment - 1) / kValueAlignment * kValueAlignment;
}

int64_t tokens_of_tile(int64_t group) {
  return std::max<int64_t>(1, kTileRows / group);
}

Job::Job(const Attention& a, const Kernels& k, const Segments* s)
    : call(a),
      kernels(k),
      q_kernels(k.of[static_cast<size_t>(a.q.dtype)]),
      kv_kernels(k.of[static_cast<size_t>(a.cache.shape.dtype)]),
      layout(a.cache.shape, a.cache.block_size),
      value_dim(a.out.dim(2)),
      padded_value_dim(padded(value_dim)),
      segments(s),
      heads(a.q.dim(1)),
      first_head(s != nullptr ? s->first_head : 0),
      group((s != nullptr ? s->heads : heads) / a.cache.shape.kv_heads),
      tile_tokens(tokens_of_tile(group)) {}

// Some splits of a tile, each on its own.
struct Run {
  int64_t tile;
  int64_t begin, end;  // within the tile's splits
};

// What is known of a call before its numbers are.
struct AttentionShape {
  int64_t tokens, sequences, most_keys;  // of a sequence
  int64_t kv_heads, group;
  int64_t key_dim, value_dim;
  int64_t window;
  bool turns_keys;  // the cache does not keep them in groups
};

AttentionShape shape_of(const Attention& call) {
  const KvLayer& cache = call.cache;
  return {.tokens = call.q.dim(0),
          .sequences = call.index.kv_lengths.dim(0),
          .most_keys = call.index.block_table.dim(1) * cache.block_size,
          .kv_heads = cache.shape.kv_heads,
          .group = call.q.dim(1) / cache.shape.kv_heads,
          .key_dim = cache.shape.key_dim,
          .value_dim = call.out.dim(2),
          .window = call.window,
          .turns_keys = !KvBlockLayout(cache.shape, cache.block_size).keys_in_groups};
}

// Bounds of what a call of this shape may need, whatever its numbers.
struct AttentionSize {
  int64_t threads;
  int64_t rows;  // of a tile
  int64_t key_dim, padded_value_dim, turned_keys;
  int64_t tiles, runs, partial_floats;
};

int64_t most_splits(const AttentionShape& shape) {
  const int64_t splits = (shape.most_keys + kSplitKeys - 1) / kSplitKeys;
  if (shape.window == 0) return splits;
  const int64_t seen = shape.window + tokens_of_tile(shape.group);
  return std::min(splits, seen / kSplitKeys + 2);
}

AttentionSize size_of(const AttentionShape& shape, int64_t threads) {
  const int64_t tile_tokens = tokens_of_tile(shape.group), tile_rows = tile_tokens * shape.group;
  const int64_t value_dim = padded(shape.value_dim);
  // Where the splits of tiles are computed apart there are fewer tiles than this.
  const int64_t apart = threads == 1 ? 0 : kTilesPerThread * threads;
  const int64_t all_rows = shape.tokens * shape.kv_heads * shape.group;
  const int64_t partial_rows = std::min(all_rows, apart * tile_rows) * most_splits(shape);
  return {.threads = threads,
          .rows = tile_rows,
          .key_dim = shape.key_dim,
          .padded_value_dim = value_dim,
          .turned_keys = shape.turns_keys ? kSplitKeys : 0,
          .tiles =
              std::min(shape.tokens, shape.tokens / tile_tokens + shape.sequences) * shape.kv_heads,
          // One a tile, and the average length is rounded down to no less than half of it.
          .runs = 3 * apart,
          .partial_floats =
              std::min(partial_rows * (value_dim + 2), kMostPartialBytes / int64_t{sizeof(float)})};
}

// A worker's memory.
struct WorkerMemory {
  WorkerMemory(Carver& carver, const AttentionSize& size)
      : queries(carver.take<float>(size.rows * size.key_dim)),
        row(carver.take<float>(size.key_dim)),
        scores(carver.take<float>(size.rows * kSplitKeys)),
        out(carver.take<float>(size.rows * size.padded_value_dim)),
        max(carver.take<float>(size.rows)),
        sum(carver.take<float>(size.rows)),
        state(carver.take<float>(size.rows * (size.padded_value_dim + 2))),
        begin(carver.take<int32_t>(size.rows)),
        end(carver.take<int32_t>(size.rows)),
        keys(carver.take<std::byte>(size.turned_keys * size.key_dim * int64_t{sizeof(float)})) {}

  float* queries;  // packed
  float* row;      // [key_dim]
  float* scores;   // [rows, kSplitKeys]
  float* out;      // [rows, value_dim]
  float* max;
  float* sum;
  float* state;  // [rows, value_dim + 2]
  int32_t* begin;
  int32_t* end;
  std::byte* keys;  // of a split, turned
};

struct AttentionMemory {
  AttentionMemory(Carver& carver, const AttentionSize& attention_size)
      : size(attention_size),
        tiles(carver.take<Tile>(size.tiles)),
        runs(carver.take<Run>(size.runs)),
        partials(carver.take<float>(size.partial_floats)),
        worker_bytes(bytes_needed<WorkerMemory>(size)),
        workers(carver.take<std::byte>(size.threads * worker_bytes)) {}

  WorkerMemory of_worker(int worker) const {
    Carver carver(workers + worker * worker_bytes);
    return {carver, size};
  }

  AttentionSize size;
  Tile* tiles;
  Run* runs;
  float* partials;
  int64_t worker_bytes;
  std::byte* workers;  // [threads, worker_bytes]
};

// First key that the query at `position` sees.
int64_t first_visible(const Job& job, int64_t position) {
  return job.call.window > 0 ? std::max<int64_t>(0, position - job.call.window + 1) : 0;
}

// Behind the last key that the query at `position` sees.
int64_t behind_visible(const Job& job, const Tile& tile, int64_t position) {
  return job.segments != nullptr ? tile.length : position + 1;
}

// Tiles of one sequence, appended. Partials count on.
void cut_sequence(const Job& job, int64_t sequence, std::span<Tile>& left, int64_t& partials) {
  const auto* offsets = job.call.index.query_offsets.as<int32_t>();
  const int64_t behind = offsets[sequence + 1];
  const int64_t length = job.call.index.kv_lengths.as<int32_t>()[sequence];
  for (int64_t row = offsets[sequence]; row < behind; row += job.tile_tokens) {
    const int64_t tokens = std::min(job.tile_tokens, behind - row);
    const int64_t position = length - (behind - row);
    const int64_t first = first_visible(job, position) / kSplitKeys;
    const int64_t last = job.segments != nullptr ? length - 1 : position + tokens - 1;
    const int64_t splits = last / kSplitKeys + 1 - first;
    for (int64_t h = 0; h < job.call.cache.shape.kv_heads; ++h) {
      MUST(!left.empty());
      left.front() = {sequence, h, row, tokens, position, length, first, splits, partials};
      left = left.subspan(1);
      partials += splits * tokens * job.group;
    }
  }
}

std::span<const Tile> cut_into_tiles(const Job& job, const AttentionMemory& memory) {
  const std::span<Tile> room(memory.tiles, static_cast<size_t>(memory.size.tiles));
  std::span<Tile> left = room;
  int64_t partials = 0;
  for (int64_t s = 0; s < job.call.index.kv_lengths.dim(0); ++s) {
    cut_sequence(job, s, left, partials);
  }
  return room.first(room.size() - left.size());
}

// Queries times scale, in tiles of the kernel: [key_dim][rows of the tile].
void pack_queries(const Job& job, const Tile& tile, WorkerMemory& w) {
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
void find_visible(const Job& job, const Tile& tile, int64_t split, WorkerMemory& w) {
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
void attend_split(const Job& job, const Tile& tile, int64_t split, WorkerMemory& w) {
  find_visible(job, tile, split, w);
  const int64_t first = split * kSplitKeys, last_position = tile.first_position + tile.tokens - 1;
  const SplitPointers found =
      find_split({.cache = &job.call.cache,
                  .layout = &job.layout,
                  .table = job.table_of(tile),
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

void attend_whole_tile(const Job& job, const Tile& tile, WorkerMemory& w) {
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

void attend_run(const Job& job, const Tile& tile, const Run& run, WorkerMemory& w,
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
std::span<const Run> cut_into_runs(std::span<const Tile> tiles, const AttentionMemory& memory) {
  int64_t splits = 0;
  for (const Tile& tile : tiles) splits += tile.splits;
  const int64_t length = std::max<int64_t>(1, splits / (kTilesPerThread * memory.size.threads));
  size_t count = 0;
  for (size_t t = 0; t < tiles.size(); ++t) {
    for (int64_t i = 0; i < tiles[t].splits; i += length) {
      MUST(count < static_cast<size_t>(memory.size.runs));
      memory.runs[count++] = {static_cast<int64_t>(t), i, std::min(i + length, tiles[t].splits)};
    }
  }
  return {memory.runs, count};
}

void fold_splits(const Job& job, const Tile& tile, WorkerMemory& w, float* partials) {
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

void attend_in_splits(const Job& job, std::span<const Tile> tiles, ThreadTeam& team,
                      const AttentionMemory& memory) {
  const std::span<const Run> runs = cut_into_runs(tiles, memory);
  const auto run_count = static_cast<int64_t>(runs.size());
  team.for_chunks(run_count, 1, [&](int64_t begin, int64_t end, int worker) {
    WorkerMemory w = memory.of_worker(worker);
    for (int64_t n = begin; n < end; ++n) {
      const Run& run = runs[static_cast<size_t>(n)];
      attend_run(job, tiles[static_cast<size_t>(run.tile)], run, w, memory.partials);
    }
  });
  const auto tile_count = static_cast<int64_t>(tiles.size());
  team.for_chunks(tile_count, 1, [&](int64_t begin, int64_t end, int worker) {
    WorkerMemory w = memory.of_worker(worker);
    for (int64_t n = begin; n < end; ++n) {
      fold_splits(job, tiles[static_cast<size_t>(n)], w, memory.partials);
    }
  });
}

void attend(const Job& job, ThreadTeam& team, const AttentionMemory& memory) {
  const std::span<const Tile> tiles = cut_into_tiles(job, memory);
  if (tiles.empty()) return;
  const Tile& last = tiles.back();
  const int64_t partial_rows = last.first_partial + last.splits * job.rows(last);
  const int64_t partial_bytes = partial_rows * job.partial_floats() * int64_t{sizeof(float)};
  const auto count = static_cast<int64_t>(tiles.size());
  if (team.size() > 1 && count < kTilesPerThread * team.size() &&
      partial_bytes <= kMostPartialBytes) {
    attend_in_splits(job, tiles, team, memory);
    return;
  }
  // Later tiles of a sequence see more keys: the longest first, so that threads end together.
  team.for_chunks(count, 1, [&](int64_t begin, int64_t end, int worker) {
    WorkerMemory w = memory.of_worker(worker);
    for (int64_t i = begin; i < end; ++i) {
      attend_whole_tile(job, tiles[static_cast<size_t>(count - 1 - i)], w);
    }
  });
}

KvShape segment_shape(const SegmentAttention& call, int64_t heads) {
  const int64_t dim = call.q.dim(2);
  return {.kv_heads = heads, .key_dim = dim, .value_dim = dim, .dtype = call.q.dtype};
}

int64_t segment_block_bytes(const SegmentAttention& call, int64_t heads) {
  return KvBlockLayout(segment_shape(call, heads), kSegmentBlock).block_bytes;
}

// Heads that are put into so many blocks at a time.
int64_t heads_together(const SegmentAttention& call, int64_t blocks) {
  const int64_t fit = kSegmentBytes / (blocks * segment_block_bytes(call, 1));
  return std::clamp<int64_t>(fit, 1, call.q.dim(1));
}

AttentionShape shape_of(const SegmentAttention& call) {
  return {.tokens = call.q.dim(0),
          .sequences = call.offsets.count() - 1,
          .most_keys = call.k.dim(0),
          .kv_heads = call.q.dim(1),
          .group = 1,
          .key_dim = call.q.dim(2),
          .value_dim = call.q.dim(2),
          .window = 0,
          .turns_keys = false};
}

// Bounds, likewise.
struct SegmentSize {
  SegmentSize(const SegmentAttention& call, int threads)
      : rows(call.k.dim(0)),
        segments(call.offsets.count() - 1),
        blocks(rows / kSegmentBlock + segments),
        // Fewer rows may have more heads together, but never more bytes.
        cache_bytes(std::min(blocks * segment_block_bytes(call, call.q.dim(1)),
                             std::max(kSegmentBytes, blocks * segment_block_bytes(call, 1)))),
        attention(size_of(shape_of(call), threads)) {}

  int64_t rows, segments, blocks, cache_bytes;
  AttentionSize attention;
};

// Each segment as a sequence with blocks of its own, in order.
struct SegmentMemory {
  SegmentMemory(Carver& carver, const SegmentSize& size)
      : cache(carver.take<std::byte>(size.cache_bytes)),
        table(carver.take<int32_t>(size.blocks)),
        slots(carver.take<int32_t>(size.rows)),
        first_blocks(carver.take<int32_t>(size.segments)),
        lengths(carver.take<int32_t>(size.segments)),
        queries(carver.take<int32_t>(size.segments + 1)),
        attention(carver, size.attention) {}

  std::byte* cache;
  int32_t* table;  // all blocks
  int32_t* slots;  // of each row
  int32_t* first_blocks;
  int32_t* lengths;
  int32_t* queries;
  AttentionMemory attention;
};

// Returns how many blocks there are.
int64_t deal_blocks(const SegmentAttention& call, const SegmentMemory& memory) {
  const auto* offsets = call.offsets.as<int32_t>();
  const int64_t segments = call.offsets.count() - 1;
  int32_t blocks = 0;
  for (int64_t s = 0; s < segments; ++s) {
    const int32_t length = offsets[s + 1] - offsets[s];
    memory.first_blocks[s] = blocks;
    memory.lengths[s] = length;
    const auto first_slot = static_cast<int32_t>(blocks * kSegmentBlock);
    std::iota(memory.slots + offsets[s], memory.slots + offsets[s + 1], first_slot);
    blocks += static_cast<int32_t>(blocks_for(length));
  }
  std::iota(memory.table, memory.table + blocks, 0);
  std::copy_n(offsets, segments + 1, memory.queries);
  if (segments == 1) memory.queries[1] = static_cast<int32_t>(call.q.dim(0));
  return blocks;
}

// Keys and values of as many heads as the cache has, from first_head on.
void fill_segments(const SegmentAttention& call, const KvLayer& cache, int64_t first_head,
                   ThreadTeam& team, const int32_t* slots) {
  const KvBlockLayout layout(cache.shape, cache.block_size);
  const int64_t heads = call.k.dim(1), head_bytes = call.k.dim(2) * bytes_of(call.k.dtype);
  const auto write_row = [&](int64_t row) {
    const int64_t slot = slots[row];
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
                     Scratch& scratch) {
  const AttentionSize size = size_of(shape_of(call), team.size());
  attend(Job(call, kernels, nullptr), team, scratch.carve<AttentionMemory>(size));
}

void segment_attention(const SegmentAttention& call, const Kernels& kernels, ThreadTeam& team,
                       Scratch& scratch) {
  if (call.q.empty()) return;
  const auto memory = scratch.carve<SegmentMemory>(SegmentSize(call, team.size()));
  const int64_t heads = call.q.dim(1), segments = call.offsets.count() - 1;
  const int64_t blocks = deal_blocks(call, memory);
  const int64_t together = heads_together(call, blocks);
  const AttentionIndex index = {
      .block_table = make_view(memory.table, {blocks}, DType::kI32),
      .query_offsets = make_view(memory.queries, {segments + 1}, DType::kI32),
      .kv_lengths = make_view(memory.lengths, {segments}, DType::kI32)};
  for (int64_t first = 0; first < heads; first += together) {
    const int64_t n = std::min(together, heads - first);
    const KvLayer cache = {
        .blocks = make_view(memory.cache, {blocks, segment_block_bytes(call, n)}, DType::kU8),
        .shape = segment_shape(call, n),
        .block_size = kSegmentBlock};
    fill_segments(call, cache, first, team, memory.slots);
    const Attention paged = {
        .out = call.out, .q = call.q, .cache = cache, .index = index, .scale = call.scale};
    const Segments served = {.first_blocks = memory.first_blocks, .first_head = first, .heads = n};
    attend(Job(paged, kernels, &served), team, memory.attention);
  }
}

int64_t scratch_bytes(const Attention& call, int threads) {
  return bytes_needed<AttentionMemory>(size_of(shape_of(call), threads));
}

int64_t scratch_bytes(const SegmentAttention& call, int threads) {
  return bytes_needed<SegmentMemory>(SegmentSize(call, threads));
}

}  // namespace pagoda::cpu
