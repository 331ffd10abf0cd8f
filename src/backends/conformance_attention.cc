// Cases of the KV cache and attention. A "row" is a sequence: its keys and values are written, then
// its last tokens attend. Several sequences run in one call, some with one query row (decode),
// some with many (prefill).
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "backends/conformance_cases.h"
#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

enum Input : uint64_t { kQuery = 1000, kKey, kValue, kSink };

struct Shape {
  DType dtype;
  int64_t heads, kv_heads, key_dim, value_dim, window;
  bool values_in_keys = false;  // MLA
  float soft_cap = 0;
  bool sinks = false;
  std::optional<DType> cached = {};  // another dtype than that of the activations
  DType cache_dtype() const { return cached.value_or(dtype); }
};

// How the work comes in: what must not change the result.
struct Delivery {
  int64_t block_size;
  int64_t most_tokens;  // query tokens a call; the last call may have fewer
};

struct Sequence {
  int64_t cached, queries;  // tokens in the cache before the first query, and query tokens
};

// Alone, short, across blocks of any size; decode and prefill; longer than one split of a kernel.
constexpr Sequence kSequences[] = {{0, 1},  {0, 5},   {0, 33},  {69, 1},   {137, 3},
                                   {64, 0}, {16, 16}, {255, 2}, {109, 20}, {600, 1}};
constexpr auto kSequenceCount = static_cast<int64_t>(std::size(kSequences));

std::vector<float> tokens_of(Input input, int64_t sequence, int64_t first, int64_t count,
                             int64_t width) {
  std::vector<float> values;
  for (int64_t t = first; t < first + count; ++t) {
    for (int64_t j = 0; j < width; ++j) {
      // Queries so large that the softmax is far from uniform.
      values.push_back(
          random_number(input, sequence * 10000 + t, j, input == kQuery ? 4.0f : 1.0f));
    }
  }
  return values;
}

void append(std::vector<float>& to, const std::vector<float>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// The cache of one run, and the steps that fill and read it.
class AttentionRun {
 public:
  AttentionRun(Rig& rig, const Shape& shape, const Delivery& delivery, const RowNumbers& rows)
      : rig_(rig),
        shape_(shape),
        delivery_{rig.device().kv_block_size(delivery.block_size), delivery.most_tokens},
        rows_(rows),
        outputs_(rows.size()) {
    for (const int64_t row : rows) {
      const Sequence& s = kSequences[row];
      max_blocks_ = std::max(max_blocks_, blocks_for(s.cached + s.queries));
    }
    max_blocks_ += 1;  // the last entries of every row are unused
    make_cache();
  }

  RowOutputs result() {
    for (size_t i = 0; i < rows_.size(); ++i) write(i, 0, sequence(i).cached);
    for (int64_t first = 0; step(first); first += delivery_.most_tokens) {
    }
    return outputs_;
  }

 private:
  const Sequence& sequence(size_t i) const { return kSequences[rows_[i]]; }
  int64_t blocks_for(int64_t tokens) const {
    return (tokens + delivery_.block_size - 1) / delivery_.block_size;
  }

  int64_t cached_value_dim() const { return shape_.values_in_keys ? 0 : shape_.value_dim; }

  // Blocks of a sequence lie backwards in memory and between those of others.
  int64_t block(size_t i, int64_t number) const {
    const auto sequences = static_cast<int64_t>(rows_.size());
    return (max_blocks_ - 1 - number) * sequences + static_cast<int64_t>(i);
  }

  void make_cache() {
    const KvShape kv = {.kv_heads = shape_.kv_heads,
                        .key_dim = shape_.key_dim,
                        .value_dim = cached_value_dim(),
                        .dtype = shape_.cache_dtype()};
    const int64_t blocks = max_blocks_ * count_of(rows_);
    const int64_t bytes = rig_.device().kv_block_bytes(kv, delivery_.block_size);
    // What an earlier user of a block left in it must not matter, not even NaN.
    cache_ = {.blocks = rig_.unwritten({blocks, bytes}, DType::kU8),
              .shape = kv,
              .block_size = delivery_.block_size};
    std::vector<int32_t> table;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const int64_t used = blocks_for(sequence(i).cached + sequence(i).queries);
      for (int64_t b = 0; b < max_blocks_; ++b) {
        table.push_back(b < used ? static_cast<int32_t>(block(i, b)) : INT32_MAX);
      }
    }
    table_ = reshaped(rig_.upload(table), {count_of(rows_), max_blocks_});
  }

  void write(size_t i, int64_t first, int64_t count) {
    std::vector<int32_t> slots;
    for (int64_t t = first; t < first + count; ++t) {
      slots.push_back(static_cast<int32_t>(
          block(i, t / delivery_.block_size) * delivery_.block_size + t % delivery_.block_size));
    }
    const int64_t heads = shape_.kv_heads;
    const auto upload = [&](Input input, int64_t dim) {
      return rig_.upload({count, heads, dim}, shape_.dtype,
                         tokens_of(input, rows_[i], first, count, heads * dim));
    };
    rig_.ops().write_kv(cache_, upload(kKey, shape_.key_dim), upload(kValue, cached_value_dim()),
                        rig_.upload(slots));
  }

  // Queries [first, first + most_tokens) of every sequence that has them. False: none has.
  bool step(int64_t first) {
    std::vector<float> q;
    std::vector<int32_t> offsets = {0}, lengths;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const Sequence& s = sequence(i);
      const int64_t count = std::clamp<int64_t>(s.queries - first, 0, delivery_.most_tokens);
      const int64_t position = s.cached + std::min(first, s.queries);
      write(i, position, count);
      append(q, tokens_of(kQuery, rows_[i], position, count, shape_.heads * shape_.key_dim));
      offsets.push_back(offsets.back() + static_cast<int32_t>(count));
      lengths.push_back(static_cast<int32_t>(position + count));
    }
    const int64_t tokens = offsets.back();
    if (tokens == 0 && first > 0) return false;
    const Tensor out = rig_.unwritten({tokens, shape_.heads, shape_.value_dim}, shape_.dtype);
    rig_.ops().paged_attention(
        {.out = out,
         .q = rig_.upload({tokens, shape_.heads, shape_.key_dim}, shape_.dtype, q),
         .cache = cache_,
         .index = {.block_table = table_,
                   .query_offsets = rig_.upload(offsets),
                   .kv_lengths = rig_.upload(lengths)},
         .scale = 1.0f / std::sqrt(static_cast<float>(shape_.key_dim)),
         .window = shape_.window,
         .soft_cap = shape_.soft_cap,
         .sinks = sinks()});
    const RowOutputs rows = rig_.rows(out);
    for (size_t i = 0; i < rows_.size(); ++i) {
      for (int32_t r = offsets[i]; r < offsets[i + 1]; ++r) {
        append(outputs_[i], rows[static_cast<size_t>(r)]);
      }
    }
    return tokens > 0;
  }

  // Some that nothing outweighs, some that weigh nothing.
  Tensor sinks() {
    if (!shape_.sinks) return {};
    return rig_.upload({shape_.heads}, DType::kF32, random_rows(kSink, {0}, shape_.heads, 8.0f));
  }

  Rig& rig_;
  const Shape shape_;
  const Delivery delivery_;
  const RowNumbers rows_;
  RowOutputs outputs_;
  int64_t max_blocks_ = 0;
  KvLayer cache_ = {};
  Tensor table_ = {};
};

RunRows run_of(const Shape& shape, const Delivery& delivery) {
  return [=](Rig& rig, const RowNumbers& rows) {
    return AttentionRun(rig, shape, delivery, rows).result();
  };
}

// A backend may round probabilities to the dtype of the values before they meet them: each is off
// by half a unit, and so is their sum, at most; the stored result is rounded once more. Scores are
// sums over key_dim, and what they are off by moves every probability.
Tolerance attention_tolerance(DType dtype, DType cached, int64_t key_dim) {
  Tolerance rounding = rounding_of(dtype);
  rounding.of_rms *= std::max(1.0, static_cast<double>(key_dim) / 256.0);
  const double probability = std::max(rounding.relative, rounding_of(cached).relative);
  return {.relative = rounding.relative, .of_rms = rounding.of_rms + probability};
}

Case attention_case(const Shape& s, int64_t block_size) {
  constexpr int64_t kAllTokens = 1000;
  Case c = {
      str("attention ", name_of(s.dtype), " ", s.heads, " heads over ", s.kv_heads, ", ", s.key_dim,
          s.values_in_keys ? " with " : " and ", s.value_dim, ", window ", s.window, ", blocks of ",
          block_size, s.soft_cap > 0 ? ", capped" : "", s.sinks ? ", with sinks" : "",
          s.cached ? str(", cached in ", name_of(*s.cached)) : ""),
      attention_tolerance(s.dtype, s.cache_dtype(), s.key_dim), kSequenceCount,
      run_of(s, {block_size, kAllTokens})};
  c.equals.push_back(run_of(s, {block_size, 1}));
  c.equals.push_back(run_of(s, {block_size, 7}));
  c.equals.push_back(run_of(s, {16, kAllTokens}));
  return c;
}

// A "row" is a segment: one row, a window, odd ones, none, longer than one split of a kernel.
constexpr int64_t kSegments[] = {1, 64, 5, 0, 256, 48, 300, 17};

std::vector<int32_t> offsets_of(const RowNumbers& rows) {
  std::vector<int32_t> offsets = {0};
  for (const int64_t row : rows) {
    offsets.push_back(offsets.back() + static_cast<int32_t>(kSegments[row]));
  }
  return offsets;
}

struct SegmentShape {
  DType dtype;
  int64_t heads, dim;
};

// q, k or v of segments, one after another.
Tensor upload_segments(Rig& rig, const SegmentShape& s, const RowNumbers& rows, Input input) {
  std::vector<float> values;
  for (const int64_t row : rows) {
    append(values, tokens_of(input, row, 0, kSegments[row], s.heads * s.dim));
  }
  return rig.upload({offsets_of(rows).back(), s.heads, s.dim}, s.dtype, values);
}

// What an earlier call left in a kernel's memory must not matter, not even NaN.
void leave_nan(Rig& rig, const SegmentShape& s) {
  constexpr int32_t kTokens = 320;  // covers each segment alone, its last block included
  const Tensor nan = rig.unwritten({kTokens, s.heads, s.dim}, s.dtype);
  rig.ops().segment_attention({.out = rig.unwritten({kTokens, s.heads, s.dim}, s.dtype),
                               .q = nan,
                               .k = nan,
                               .v = nan,
                               .offsets = rig.upload({0, kTokens}),
                               .scale = 1.0f});
}

// Each segment by itself, its queries in two calls.
RowOutputs in_pieces(Rig& rig, const SegmentShape& s, const RowNumbers& rows) {
  RowOutputs result(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t length = kSegments[rows[i]];
    for (const auto& [first, count] :
         {std::pair(int64_t{0}, length / 3), std::pair(length / 3, length - length / 3)}) {
      if (count == 0) continue;
      const Tensor out = rig.unwritten({count, s.heads, s.dim}, s.dtype);
      rig.ops().segment_attention(
          {.out = out,
           .q = rig.upload({count, s.heads, s.dim}, s.dtype,
                           tokens_of(kQuery, rows[i], first, count, s.heads * s.dim)),
           .k = upload_segments(rig, s, {rows[i]}, kKey),
           .v = upload_segments(rig, s, {rows[i]}, kValue),
           .offsets = rig.upload(offsets_of({rows[i]})),
           .scale = 1.0f / std::sqrt(static_cast<float>(s.dim))});
      for (const std::vector<float>& row : rig.rows(out)) append(result[i], row);
    }
  }
  return result;
}

RowOutputs in_one_call(Rig& rig, const SegmentShape& s, const RowNumbers& rows) {
  leave_nan(rig, s);
  const std::vector<int32_t> offsets = offsets_of(rows);
  const Tensor out = rig.unwritten({offsets.back(), s.heads, s.dim}, s.dtype);
  rig.ops().segment_attention({.out = out,
                               .q = upload_segments(rig, s, rows, kQuery),
                               .k = upload_segments(rig, s, rows, kKey),
                               .v = upload_segments(rig, s, rows, kValue),
                               .offsets = rig.upload(offsets),
                               .scale = 1.0f / std::sqrt(static_cast<float>(s.dim))});
  const RowOutputs made = rig.rows(out);
  RowOutputs result(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (int32_t r = offsets[i]; r < offsets[i + 1]; ++r) {
      append(result[i], made[static_cast<size_t>(r)]);
    }
  }
  return result;
}

Case segment_case(const SegmentShape& s) {
  return {str("segment attention ", name_of(s.dtype), " ", s.heads, " heads of ", s.dim),
          attention_tolerance(s.dtype, s.dtype, s.dim),
          std::ssize(kSegments),
          [=](Rig& rig, const RowNumbers& rows) { return in_one_call(rig, s, rows); },
          {[=](Rig& rig, const RowNumbers& rows) { return in_pieces(rig, s, rows); }}};
}

}  // namespace

void add_attention_cases(std::vector<Case>& cases) {
  for (const DType dtype : kFloatTypes) {
    cases.push_back(attention_case({dtype, 1, 1, 1, 1, 0}, 16));
    cases.push_back(attention_case({dtype, 4, 4, 16, 16, 0}, 1));
    cases.push_back(attention_case({dtype, 8, 2, 32, 32, 0}, 8));
    cases.push_back(attention_case({dtype, 14, 2, 64, 64, 0}, 32));
    cases.push_back(attention_case({dtype, 3, 1, 24, 24, 0}, 64));
    cases.push_back(attention_case({dtype, 4, 2, 128, 128, 0}, 128));
    cases.push_back(attention_case({dtype, 2, 2, 256, 256, 0}, 16));
    cases.push_back(attention_case({dtype, 2, 2, 24, 16, 0}, 16));
    cases.push_back(attention_case({dtype, 4, 1, 48, 32, 0, true}, 16));
    cases.push_back(attention_case({dtype, 3, 1, 37, 24, 0, true}, 8));
    cases.push_back(attention_case({dtype, 16, 1, 576, 512, 0, true}, 128));
    cases.push_back(attention_case({dtype, 2, 1, 33, 33, 5, true}, 16));
    cases.push_back(attention_case({dtype, 4, 2, 32, 32, 0, false, 2.0f}, 16));
    cases.push_back(attention_case({dtype, 6, 2, 64, 64, 16, false, 0, true}, 16));
    cases.push_back(attention_case({dtype, 3, 3, 24, 24, 5, false, 2.0f, true}, 8));
    cases.push_back(segment_case({dtype, 1, 16}));
    cases.push_back(segment_case({dtype, 3, 80}));
    cases.push_back(segment_case({dtype, 2, 37}));
    for (const DType cached : kFloatTypes) {
      if (cached == dtype) continue;
      cases.push_back(attention_case({dtype, 4, 2, 32, 24, 0, false, 0, false, cached}, 16));
      cases.push_back(attention_case({dtype, 4, 1, 48, 32, 0, true, 0, false, cached}, 8));
    }
    for (const int64_t window : {1, 5, 16, 100}) {
      cases.push_back(attention_case({dtype, 4, 2, 24, 24, window}, 16));
    }
  }
}

}  // namespace pagoda
