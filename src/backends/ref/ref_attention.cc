// The KV cache as the reference keeps it, and attention over it.
//
// A block is keys [block_size, kv_heads, key_dim], then values [block_size, kv_heads, value_dim],
// in the cache's dtype.
#include <algorithm>
#include <cmath>
#include <optional>

#include "backends/ref/ref_ops.h"
#include "backends/ref/rows.h"
#include "base/must.h"

namespace pagoda::ref {
namespace {

// Keys or values of one block, [block_size, kv_heads, dim].
Tensor keys_of(const KvLayer& cache, int64_t block) {
  const KvShape& s = cache.shape;
  return make_view(rows_of(cache.blocks, block, 1).data, {cache.block_size, s.kv_heads, s.key_dim},
                   s.dtype);
}

Tensor values_of(const KvLayer& cache, int64_t block) {
  const KvShape& s = cache.shape;
  const Tensor keys = keys_of(cache, block);
  return make_view(keys.as<std::byte>() + keys.bytes(), {cache.block_size, s.kv_heads, s.value_dim},
                   s.dtype);
}

// One query head of one row: which sequence it belongs to and which tokens it sees.
struct Query {
  int64_t sequence, row, head;
  int64_t first_token, end_token;
};

float capped(float score, float cap) {
  return cap > 0 ? cap * std::tanh(score / cap) : score;
}

std::vector<float> attend(const Attention& call, const Query& query) {
  const KvLayer& cache = call.cache;
  const int64_t heads = call.q.dim(1), kv_heads = cache.shape.kv_heads;
  const int64_t kv_head = query.head / (heads / kv_heads);
  const int32_t* blocks =
      call.index.block_table.as<int32_t>() + query.sequence * call.index.block_table.dim(1);
  const std::vector<float> q = read_row(call.q, query.row * heads + query.head);

  std::vector<float> scores;
  for (int64_t t = query.first_token; t < query.end_token; ++t) {
    const Tensor keys = keys_of(cache, blocks[t / cache.block_size]);
    const std::vector<float> k = read_row(keys, t % cache.block_size * kv_heads + kv_head);
    float sum = 0.0f;
    for (size_t j = 0; j < k.size(); ++j) sum += q[j] * k[j];
    scores.push_back(capped(sum * call.scale, call.soft_cap));
  }

  // The sink has a score and no value.
  std::optional<float> sink;
  if (!call.sinks.empty()) sink = call.sinks.as<float>()[query.head];
  float highest = *std::max_element(scores.begin(), scores.end());
  if (sink) highest = std::max(highest, *sink);
  const int64_t value_dim = call.out.dim(2);
  MUST(cache.shape.value_dim == 0 ? value_dim <= cache.shape.key_dim
                                  : value_dim == cache.shape.value_dim);
  std::vector<float> out(static_cast<size_t>(value_dim));
  float total = sink ? std::exp(*sink - highest) : 0.0f;
  for (int64_t t = query.first_token; t < query.end_token; ++t) {
    const float p = std::exp(scores[static_cast<size_t>(t - query.first_token)] - highest);
    const int64_t block = blocks[t / cache.block_size];
    const Tensor values =
        cache.shape.value_dim == 0 ? keys_of(cache, block) : values_of(cache, block);
    const std::vector<float> v = read_row(values, t % cache.block_size * kv_heads + kv_head);
    for (size_t j = 0; j < out.size(); ++j) out[j] += p * v[j];
    total += p;
  }
  for (float& x : out) x /= total;
  return out;
}

// Row `row` of [rows * heads, dim] over the rows of its head in a segment.
struct Segment {
  int64_t first, end;
};
std::vector<float> attend(const SegmentAttention& call, int64_t row, Segment segment) {
  const int64_t heads = call.q.dim(1), head = row % heads;
  const std::vector<float> q = read_row(call.q, row);
  std::vector<float> scores;
  for (int64_t t = segment.first; t < segment.end; ++t) {
    const std::vector<float> k = read_row(call.k, t * heads + head);
    float sum = 0.0f;
    for (size_t j = 0; j < k.size(); ++j) sum += q[j] * k[j];
    scores.push_back(sum * call.scale);
  }
  const float highest = *std::max_element(scores.begin(), scores.end());
  std::vector<float> out(static_cast<size_t>(call.v.dim(2)));
  float total = 0.0f;
  for (int64_t t = segment.first; t < segment.end; ++t) {
    const float p = std::exp(scores[static_cast<size_t>(t - segment.first)] - highest);
    const std::vector<float> v = read_row(call.v, t * heads + head);
    for (size_t j = 0; j < out.size(); ++j) out[j] += p * v[j];
    total += p;
  }
  for (float& x : out) x /= total;
  return out;
}

}  // namespace

void RefOps::write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) {
  const int64_t heads = cache.shape.kv_heads;
  MUST(k.dim(0) == slots.count() && k.dim(1) == heads && v.dim(1) == heads);
  for (int64_t i = 0; i < slots.count(); ++i) {
    const int64_t slot = slots.as<int32_t>()[i];
    const Tensor keys = keys_of(cache, slot / cache.block_size);
    const Tensor values = values_of(cache, slot / cache.block_size);
    for (int64_t h = 0; h < heads; ++h) {
      write_row(keys, slot % cache.block_size * heads + h, read_row(k, i * heads + h));
      write_row(values, slot % cache.block_size * heads + h, read_row(v, i * heads + h));
    }
  }
}

void RefOps::paged_attention(const Attention& call) {
  const int64_t heads = call.q.dim(1);
  MUST(heads % call.cache.shape.kv_heads == 0);
  const int32_t* offsets = call.index.query_offsets.as<int32_t>();
  for (int64_t s = 0; s < call.index.kv_lengths.count(); ++s) {
    const int32_t length = call.index.kv_lengths.as<int32_t>()[s];
    for (int64_t i = offsets[s] * heads; i < offsets[s + 1] * heads; ++i) {
      const int64_t row = i / heads, end = length - (offsets[s + 1] - 1 - row);
      const int64_t first = call.window > 0 ? std::max<int64_t>(0, end - call.window) : 0;
      write_row(call.out, i, attend(call, {s, row, i % heads, first, end}));
    }
  }
}

void RefOps::segment_attention(const SegmentAttention& call) {
  const int64_t heads = call.q.dim(1);
  MUST(call.k.dim(1) == heads && call.v.dim(1) == heads && call.out.dim(1) == heads);
  const auto* offsets = call.offsets.as<int32_t>();
  const int64_t segments = call.offsets.count() - 1;
  for (int64_t s = 0; s < segments; ++s) {
    const int64_t end = segments == 1 ? call.q.dim(0) : offsets[s + 1];
    for (int64_t row = offsets[s] * heads; row < end * heads; ++row) {
      write_row(call.out, row, attend(call, row, {offsets[s], offsets[s + 1]}));
    }
  }
}

}  // namespace pagoda::ref
