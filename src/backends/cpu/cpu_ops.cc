#include "backends/cpu/cpu_ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>

#include "backends/cpu/kv_blocks.h"
#include "base/must.h"

namespace pagoda::cpu {
namespace {

// Numbers below which a second thread costs more than it saves (a wake-up is about 1 us).
constexpr int64_t kNumbersPerChunk = 16 << 10;
// An erf costs as much as so many of the numbers above.
constexpr int64_t kGeluCost = 16;
// Columns of an embedding row that one thread collects from the packed panels.
constexpr int64_t kGatherColumns = 512;
// Of a row that one thread clears: the state of a sequence may be megabytes.
constexpr int64_t kClearedBytes = 64 << 10;

float gelu_of(float x) {
  return x * (0.5f * (1.0f + std::erf(x * 0.70710678f)));  // 1 / sqrt(2)
}

std::byte* row_of(Tensor t, int64_t row) {
  return t.as<std::byte>() + row * (t.bytes() / t.dim(0));
}

size_t row_bytes(Tensor t) {
  return static_cast<size_t>(t.bytes() / t.dim(0));
}

// Numbers [first, first + n) of a row of a table, zeros where there is no such row.
void copy_or_clear(std::byte* to, const PackedMatrix& table, int64_t row, int64_t first,
                   int64_t n) {
  if (row >= 0 && row < table.spec().out) {
    table.copy_row(to, row, first, first + n);
  } else {
    std::memset(to, 0, static_cast<size_t>(n * bytes_of(table.spec().dtype)));
  }
}

// Row r of join_columns.
void join_row(Tensor out, Tensor parts, int64_t r) {
  const int64_t rows = out.dim(0), columns = out.dim(1), width = parts.dim(2);
  const int64_t size = bytes_of(out.dtype);
  for (int64_t p = 0; p * width < columns; ++p) {
    const int64_t n = std::min(width, columns - p * width);
    std::memcpy(out.as<std::byte>() + (r * columns + p * width) * size,
                parts.as<std::byte>() + (p * rows + r) * width * size,
                static_cast<size_t>(n * size));
  }
}

// Which token of k and v goes where.
struct TokenPlace {
  std::byte* block;
  int64_t offset, token;
};

void write_heads(const TokenPlace& place, const KvBlockLayout& layout, Tensor k, Tensor v) {
  const int64_t kv_heads = k.dim(1), size = layout.number_bytes;
  for (int64_t h = 0; h < kv_heads; ++h) {
    const int64_t head = place.token * kv_heads + h;
    write_token(place.block + h * layout.head_bytes, layout, place.offset,
                k.as<std::byte>() + head * layout.key_dim * size,
                v.as<std::byte>() + head * layout.value_dim * size);
  }
}

}  // namespace

const NumberKernels& CpuOps::kernels_of(DType dtype) const {
  MUST(dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16);
  return kernels_.of[static_cast<size_t>(dtype)];
}

void CpuOps::for_rows(int64_t count, int64_t width,
                      FunctionRef<void(int64_t begin, int64_t end)> rows) {
  const int64_t grain = std::max<int64_t>(1, kNumbersPerChunk / std::max<int64_t>(1, width));
  team_.for_chunks(count, grain, [&](int64_t begin, int64_t end, int) { rows(begin, end); });
}

void CpuOps::gather_rows(Tensor out, const Matrix& table, Tensor ids, int64_t first) {
  const auto& matrix = static_cast<const PackedMatrix&>(table);
  const int64_t in = matrix.spec().in;
  MUST(out.dtype == matrix.spec().dtype && out.dim(1) == in && out.dim(0) == ids.count());
  const int64_t pieces = (in + kGatherColumns - 1) / kGatherColumns;
  team_.for_chunks(ids.count() * pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i % pieces * kGatherColumns;
      copy_or_clear(row_of(out, i / pieces) + column * bytes_of(out.dtype), matrix,
                    ids.as<int32_t>()[i / pieces] - first, column,
                    std::min(kGatherColumns, in - column));
    }
  });
}

void CpuOps::gather_rows(Tensor out, Tensor x, Tensor rows) {
  MUST(out.dtype == x.dtype && out.dim(0) == rows.count() && out.dim(1) == x.dim(1));
  for_rows(rows.count(), x.dim(1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(row_of(out, i), row_of(x, rows.as<int32_t>()[i]), row_bytes(out));
    }
  });
}

void CpuOps::scatter_rows(Tensor out, Tensor x, Tensor rows) {
  MUST(out.dtype == x.dtype && x.dim(0) == rows.count() && out.dim(1) == x.dim(1));
  for_rows(rows.count(), x.dim(1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(row_of(out, rows.as<int32_t>()[i]), row_of(x, i), row_bytes(x));
    }
  });
}

void CpuOps::clear_rows(Tensor out, Tensor rows) {
  if (out.empty()) return;
  const auto bytes = static_cast<int64_t>(row_bytes(out));
  const int64_t pieces = (bytes + kClearedBytes - 1) / kClearedBytes;
  team_.for_chunks(rows.count() * pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * kClearedBytes;
      std::memset(row_of(out, rows.as<int32_t>()[i / pieces]) + first, 0,
                  static_cast<size_t>(std::min(kClearedBytes, bytes - first)));
    }
  });
}

void CpuOps::matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) {
  const auto& matrix = static_cast<const PackedMatrix&>(weight);
  const MatrixSpec& spec = matrix.spec();
  MUST(spec.count == 1 && x.dtype == spec.dtype && x.dim(1) == spec.in);
  MUST(out.dim(0) == x.dim(0) && out.dim(1) == spec.out);
  MUST(out.dtype == x.dtype || out.dtype == DType::kF32);
  MUST(bias.empty() || (bias.dtype == DType::kF32 && bias.count() == spec.out));
  cpu::matmul({.out = out, .x = x, .weight = matrix, .bias = bias}, kernels_, team_, scratch_);
}

void CpuOps::add(Tensor inout, Tensor x) {
  MUST(inout.dtype == x.dtype && inout.count() == x.count());
  const int64_t size = bytes_of(x.dtype);
  const NumberKernels& kernels = kernels_of(x.dtype);
  for_rows(x.count(), 1, [&](int64_t begin, int64_t end) {
    kernels.add(inout.as<std::byte>() + begin * size, x.as<std::byte>() + begin * size,
                end - begin);
  });
}

void CpuOps::rms_norm(Tensor out, Tensor x, Tensor gain, float eps) {
  add_rms_norm(out, x, {}, gain, eps);
}

void CpuOps::add_rms_norm(Tensor out, Tensor stream, Tensor delta, Tensor gain, float eps) {
  if (stream.empty()) return;
  const int64_t n = stream.dim(-1), bytes = n * bytes_of(stream.dtype);
  MUST(out.dtype == stream.dtype && out.count() == stream.count());
  MUST(gain.dtype == DType::kF32 && gain.count() == n);
  MUST(delta.empty() || (delta.dtype == stream.dtype && delta.count() == stream.count()));
  const NumberKernels& kernels = kernels_of(stream.dtype);
  for_rows(stream.count() / n, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::byte* row = stream.as<std::byte>() + i * bytes;
      if (!delta.empty()) kernels.add(row, delta.as<std::byte>() + i * bytes, n);
      kernels.rms_norm(out.as<std::byte>() + i * bytes, row, gain.as<float>(), n, eps);
    }
  });
}

void CpuOps::gated_mul(Tensor out, Tensor gate_up, Activation activation) {
  const int64_t ffn = out.dim(1);
  MUST(out.dtype == gate_up.dtype && gate_up.dim(1) == 2 * ffn && gate_up.dim(0) == out.dim(0));
  const auto multiply = kernels_of(out.dtype).gated_mul[static_cast<size_t>(activation)];
  const int64_t bytes = ffn * bytes_of(out.dtype);
  // By columns too: one row of a large model is work for all threads.
  const int64_t pieces = std::max<int64_t>(1, ffn / kNumbersPerChunk);
  const int64_t width = (ffn + pieces - 1) / pieces;
  for_rows(out.dim(0) * pieces, width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / pieces, column = i % pieces * width;
      const int64_t offset = column * bytes_of(out.dtype);
      const std::byte* gate = gate_up.as<std::byte>() + 2 * row * bytes + offset;
      multiply(out.as<std::byte>() + row * bytes + offset, gate, gate + bytes,
               std::min(width, ffn - column));
    }
  });
}

void CpuOps::scale(Tensor inout, float factor) {
  const NumberKernels& kernels = kernels_of(inout.dtype);
  for_rows(inout.count(), 1, [&](int64_t begin, int64_t end) {
    kernels.scale(inout.as<std::byte>() + begin * bytes_of(inout.dtype), factor, end - begin);
  });
}

void CpuOps::soft_cap(Tensor inout, float cap) {
  MUST(inout.dtype == DType::kF32);
  for_rows(inout.count(), 1, [&](int64_t begin, int64_t end) {
    kernels_.soft_cap(inout.as<float>() + begin, cap, end - begin);
  });
}

void CpuOps::gelu(Tensor inout) {
  const NumberKernels& kernels = kernels_of(inout.dtype);
  const int64_t size = bytes_of(inout.dtype);
  for_rows(inout.count(), kGeluCost, [&](int64_t begin, int64_t end) {
    std::array<float, 256> numbers;
    for (int64_t i = begin; i < end; i += std::ssize(numbers)) {
      const int64_t n = std::min<int64_t>(std::ssize(numbers), end - i);
      std::byte* at = inout.as<std::byte>() + i * size;
      kernels.widen(numbers.data(), at, n);
      for (float& x : std::span(numbers).first(static_cast<size_t>(n))) x = gelu_of(x);
      kernels.narrow(at, numbers.data(), n);
    }
  });
}

void CpuOps::argmax(Tensor ids, Tensor logits) {
  MUST(ids.dtype == DType::kI32 && logits.dtype == DType::kF32 && ids.count() == logits.dim(0));
  const int64_t vocab = logits.dim(1);
  for_rows(ids.count(), vocab, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      ids.as<int32_t>()[i] =
          argmax_of({logits.as<float>() + i * vocab, static_cast<size_t>(vocab)});
    }
  });
}

void CpuOps::top_k(Tensor scores, Tensor ids, Tensor logits) {
  MUST(ids.dtype == DType::kI32 && scores.dtype == DType::kF32 && logits.dtype == DType::kF32);
  MUST(ids.dim(0) == logits.dim(0) && scores.count() == ids.count());
  const int64_t vocab = logits.dim(1), k = ids.dim(1);
  const auto most = static_cast<size_t>(k);
  ScoredId* best = scratch_.carve<Values<ScoredId>>(team_.size() * k).data;
  team_.for_chunks(ids.dim(0), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      fill_top(
          {.scores = {scores.as<float>() + i * k, most}, .ids = {ids.as<int32_t>() + i * k, most}},
          {logits.as<float>() + i * vocab, static_cast<size_t>(vocab)}, {best + worker * k, most});
    }
  });
}

void CpuOps::rope(Tensor heads, const RotaryTable& table, RotaryPairing pairing) {
  if (heads.empty()) return;
  const int64_t half = table.cos.dim(1), row = heads.dim(1) * heads.dim(2);
  MUST(2 * half <= heads.dim(2) && table.cos.dim(0) == heads.dim(0));
  const NumberKernels& kernels = kernels_of(heads.dtype);
  const auto rotate =
      pairing == RotaryPairing::kHalves ? kernels.rope_halves : kernels.rope_neighbors;
  for_rows(heads.dim(0), row, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      rotate({.heads = heads.as<std::byte>() + t * row * bytes_of(heads.dtype),
              .count = heads.dim(1),
              .head_dim = heads.dim(2),
              .cos = table.cos.as<float>() + t * half,
              .sin = table.sin.as<float>() + t * half,
              .half = half});
    }
  });
}

void CpuOps::copy_columns(Tensor out, Tensor x, int64_t first) {
  MUST(out.dtype == x.dtype && out.dim(0) == x.dim(0) && first + out.dim(1) <= x.dim(1));
  for_rows(out.dim(0), out.dim(1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(row_of(out, i), row_of(x, i) + first * bytes_of(x.dtype), row_bytes(out));
    }
  });
}

void CpuOps::paste_columns(Tensor out, Tensor x, int64_t first) {
  MUST(out.dtype == x.dtype && out.dim(0) == x.dim(0) && first + x.dim(1) <= out.dim(1));
  for_rows(x.dim(0), x.dim(1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(row_of(out, i) + first * bytes_of(x.dtype), row_of(x, i), row_bytes(x));
    }
  });
}

void CpuOps::join_columns(Tensor out, Tensor parts) {
  const int64_t rows = out.dim(0), columns = out.dim(1), width = parts.dim(2);
  MUST(out.dtype == parts.dtype && parts.dim(1) == rows && columns <= parts.dim(0) * width);
  for_rows(rows, columns, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) join_row(out, parts, r);
  });
}

void CpuOps::convert(Tensor out, Tensor x) {
  const NumberKernels& from = kernels_of(x.dtype);
  const NumberKernels& to = kernels_of(out.dtype);
  for_rows(x.count(), 1, [&](int64_t begin, int64_t end) {
    std::array<float, 256> numbers;
    for (int64_t i = begin; i < end; i += std::ssize(numbers)) {
      const int64_t n = std::min<int64_t>(std::ssize(numbers), end - i);
      from.widen(numbers.data(), x.as<std::byte>() + i * bytes_of(x.dtype), n);
      to.narrow(out.as<std::byte>() + i * bytes_of(out.dtype), numbers.data(), n);
    }
  });
}

void CpuOps::write_kv(KvLayer cache, Tensor k, Tensor v, Tensor slots) {
  const KvShape& shape = cache.shape;
  if (k.dtype != shape.dtype) {
    const auto converted = scratch_.carve<ConvertedKv>(k, v, shape.dtype);
    convert(converted.k, k);
    convert(converted.v, v);
    return write_kv(cache, converted.k, converted.v, slots);
  }
  MUST(v.dtype == shape.dtype && slots.count() == k.dim(0));
  MUST(k.dim(1) == shape.kv_heads && k.dim(2) == shape.key_dim);
  MUST(v.dim(1) == shape.kv_heads && v.dim(2) == shape.value_dim);
  const KvBlockLayout layout(shape, cache.block_size);
  const int64_t numbers = shape.kv_heads * (shape.key_dim + shape.value_dim);
  for_rows(k.dim(0), numbers, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t slot = slots.as<int32_t>()[t];
      std::byte* block =
          cache.blocks.as<std::byte>() + slot / cache.block_size * layout.block_bytes;
      write_heads({.block = block, .offset = slot % cache.block_size, .token = t}, layout, k, v);
    }
  });
}

void CpuOps::paged_attention(const Attention& call) {
  const KvShape& shape = call.cache.shape;
  MUST(call.q.dim(1) % shape.kv_heads == 0 && call.q.dim(2) == shape.key_dim);
  MUST(shape.value_dim == 0 ? call.out.dim(2) <= shape.key_dim
                            : call.out.dim(2) == shape.value_dim);
  MUST(call.out.dtype == call.q.dtype && call.out.dim(1) == call.q.dim(1));
  cpu::paged_attention(call, kernels_, team_, scratch_);
}

void CpuOps::segment_attention(const SegmentAttention& call) {
  MUST(call.v.count() == call.k.count() && call.k.dim(1) == call.q.dim(1));
  MUST(call.k.count() == call.q.count() || call.offsets.count() == 2);
  MUST(call.out.count() == call.q.count() && call.out.dtype == call.q.dtype);
  MUST(call.k.dtype == call.q.dtype && call.v.dtype == call.q.dtype);
  cpu::segment_attention(call, kernels_, team_, scratch_);
}

}  // namespace pagoda::cpu
