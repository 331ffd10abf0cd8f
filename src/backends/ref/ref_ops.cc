#include "backends/ref/ref_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/ref/ref_matrix.h"
#include "backends/ref/rows.h"
#include "base/must.h"

namespace pagoda::ref {
namespace {

void copy_row(Tensor out, int64_t to, Tensor x, int64_t from) {
  MUST(out.dtype == x.dtype && out.dim(-1) == x.dim(-1));
  const auto row_bytes = static_cast<size_t>(x.dim(-1) * bytes_of(x.dtype));
  std::memcpy(out.as<std::byte>() + static_cast<size_t>(to) * row_bytes,
              x.as<std::byte>() + static_cast<size_t>(from) * row_bytes, row_bytes);
}

float activated(float x, Activation activation) {
  if (activation == Activation::kSilu) return x / (1.0f + std::exp(-x));
  const float inner = 0.79788456f * (x + 0.044715f * x * x * x);  // sqrt(2 / pi)
  return 0.5f * x * (1.0f + std::tanh(inner));
}

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// The first of the largest numbers that are numbers; id -1: there is none.
struct Best {
  float score = -std::numeric_limits<float>::infinity();
  int32_t id = -1;
};
Best best_of(const std::vector<float>& row) {
  Best best;
  for (size_t j = 0; j < row.size(); ++j) {
    if (std::isnan(row[j]) || (best.id >= 0 && row[j] <= best.score)) continue;
    best = {row[j], static_cast<int32_t>(j)};
  }
  return best;
}

}  // namespace

void RefOps::gather_rows(Tensor out, const Matrix& table, Tensor ids, int64_t first) {
  const auto& matrix = static_cast<const RefMatrix&>(table);
  MUST(out.dim(0) == ids.count() && out.dim(1) == matrix.spec().in);
  for (int64_t i = 0; i < ids.count(); ++i) {
    const int64_t row = ids.as<int32_t>()[i] - first;
    const bool is_here = row >= 0 && row < matrix.spec().out;
    for (int64_t j = 0; j < out.dim(1); ++j) {
      store(out.dtype, out.data, i * out.dim(1) + j, is_here ? matrix.row(0, row)[j] : 0.0f);
    }
  }
}

void RefOps::gather_rows(Tensor out, Tensor x, Tensor rows) {
  MUST(out.dim(0) == rows.count());
  for (int64_t i = 0; i < rows.count(); ++i) copy_row(out, i, x, rows.as<int32_t>()[i]);
}

void RefOps::scatter_rows(Tensor out, Tensor x, Tensor rows) {
  MUST(x.dim(0) == rows.count());
  for (int64_t i = 0; i < rows.count(); ++i) copy_row(out, rows.as<int32_t>()[i], x, i);
}

void RefOps::clear_rows(Tensor out, Tensor rows) {
  for (int64_t i = 0; i < rows.count(); ++i) {
    const Tensor row = rows_of(out, rows.as<int32_t>()[i], 1);
    std::memset(row.data, 0, static_cast<size_t>(row.bytes()));
  }
}

void RefOps::matmul(Tensor out, Tensor x, const Matrix& weight, Tensor bias) {
  const auto& matrix = static_cast<const RefMatrix&>(weight);
  const int64_t columns = matrix.spec().out, in = matrix.spec().in;
  MUST(x.dim(-1) == in && out.dim(-1) == columns && out.dim(0) == x.dim(0));
  MUST(bias.empty() || (bias.count() == columns && bias.dtype == DType::kF32));
  for (int64_t i = 0; i < x.dim(0); ++i) {
    const std::vector<float> row = read_row(x, i);
    for (int64_t j = 0; j < columns; ++j) {
      const float b = bias.empty() ? 0.0f : bias.as<float>()[j];
      store(out.dtype, out.data, i * columns + j, dot(row.data(), matrix.row(0, j), in) + b);
    }
  }
}

void RefOps::add(Tensor inout, Tensor x) {
  MUST(inout.count() == x.count() && inout.dtype == x.dtype);
  for (int64_t i = 0; i < x.count(); ++i) {
    store(x.dtype, inout.data, i, load(x.dtype, inout.data, i) + load(x.dtype, x.data, i));
  }
}

void RefOps::rms_norm(Tensor out, Tensor x, Tensor gain, float eps) {
  MUST(out.count() == x.count() && gain.count() == x.dim(-1) && gain.dtype == DType::kF32);
  for (int64_t i = 0; i < rows_in(x); ++i) {
    std::vector<float> row = read_row(x, i);
    const float mean = dot(row.data(), row.data(), x.dim(-1)) / static_cast<float>(x.dim(-1));
    const float scale = 1.0f / std::sqrt(mean + eps);
    for (size_t j = 0; j < row.size(); ++j) {
      row[j] = rounded(x.dtype, row[j] * scale) * gain.as<float>()[j];
    }
    write_row(out, i, row);
  }
}

void RefOps::gated_mul(Tensor out, Tensor gate_up, Activation activation) {
  const int64_t ffn = out.dim(-1);
  MUST(gate_up.dim(-1) == 2 * ffn && out.dim(0) == gate_up.dim(0));
  for (int64_t i = 0; i < rows_in(out); ++i) {
    const std::vector<float> row = read_row(gate_up, i);
    for (int64_t j = 0; j < ffn; ++j) {
      const float gate = row[static_cast<size_t>(j)], up = row[static_cast<size_t>(ffn + j)];
      store(out.dtype, out.data, i * ffn + j, activated(gate, activation) * up);
    }
  }
}

void RefOps::scale(Tensor inout, float factor) {
  for (int64_t i = 0; i < inout.count(); ++i) {
    store(inout.dtype, inout.data, i, load(inout.dtype, inout.data, i) * factor);
  }
}

void RefOps::soft_cap(Tensor inout, float cap) {
  MUST(inout.dtype == DType::kF32);
  for (int64_t i = 0; i < inout.count(); ++i) {
    float& x = inout.as<float>()[i];
    x = cap * std::tanh(x / cap);
  }
}

void RefOps::gelu(Tensor inout) {
  for (int64_t i = 0; i < inout.count(); ++i) {
    const float x = load(inout.dtype, inout.data, i);
    const float phi = 0.5f * (1.0f + std::erf(x * 0.70710678f));  // 1 / sqrt(2)
    store(inout.dtype, inout.data, i, x * phi);
  }
}

void RefOps::gate_rows(Tensor inout, Tensor gates) {
  MUST(gates.dtype == DType::kF32 && gates.count() == inout.dim(0));
  for (int64_t i = 0; i < inout.dim(0); ++i) {
    const float factor = 1.0f / (1.0f + std::exp(-gates.as<float>()[i]));
    std::vector<float> row = read_row(inout, i);
    for (float& x : row) x *= factor;
    write_row(inout, i, row);
  }
}

void RefOps::rope(Tensor heads, const RotaryTable& table, RotaryPairing pairing) {
  const int64_t half = table.cos.dim(-1), n = heads.dim(1);
  MUST(2 * half <= heads.dim(2) && table.cos.dim(0) == heads.dim(0));
  for (int64_t i = 0; i < heads.dim(0) * n; ++i) {
    std::vector<float> head = read_row(heads, i);
    for (int64_t j = 0; j < half; ++j) {
      const float c = table.cos.as<float>()[i / n * half + j];
      const float s = table.sin.as<float>()[i / n * half + j];
      const bool halves = pairing == RotaryPairing::kHalves;
      float& a = head[static_cast<size_t>(halves ? j : 2 * j)];
      float& b = head[static_cast<size_t>(halves ? j + half : 2 * j + 1)];
      const float turned = a * c - b * s;
      b = b * c + a * s;
      a = turned;
    }
    write_row(heads, i, head);
  }
}

void RefOps::argmax(Tensor ids, Tensor logits) {
  MUST(ids.dtype == DType::kI32 && ids.count() == logits.dim(0));
  for (int64_t i = 0; i < ids.count(); ++i) {
    ids.as<int32_t>()[i] = std::max(0, best_of(read_row(logits, i)).id);
  }
}

void RefOps::top_k(Tensor scores, Tensor ids, Tensor logits) {
  MUST(ids.dtype == DType::kI32 && ids.count() == scores.count());
  for (int64_t i = 0; i < ids.dim(0); ++i) {
    std::vector<float> left = read_row(logits, i);
    for (int64_t j = i * ids.dim(1); j < (i + 1) * ids.dim(1); ++j) {
      const Best best = best_of(left);
      ids.as<int32_t>()[j] = best.id;
      scores.as<float>()[j] = best.score;
      if (best.id >= 0) left[static_cast<size_t>(best.id)] = std::nanf("");
    }
  }
}

void RefOps::copy_columns(Tensor out, Tensor x, int64_t first) {
  const int64_t n = out.dim(1), columns = x.dim(1), size = bytes_of(x.dtype);
  MUST(out.dtype == x.dtype && out.dim(0) == x.dim(0) && first + n <= columns);
  for (int64_t i = 0; i < out.dim(0); ++i) {
    std::memcpy(out.as<std::byte>() + i * n * size,
                x.as<std::byte>() + (i * columns + first) * size, static_cast<size_t>(n * size));
  }
}

void RefOps::paste_columns(Tensor out, Tensor x, int64_t first) {
  const int64_t n = x.dim(1), columns = out.dim(1), size = bytes_of(x.dtype);
  MUST(out.dtype == x.dtype && out.dim(0) == x.dim(0) && first + n <= columns);
  for (int64_t i = 0; i < out.dim(0); ++i) {
    std::memcpy(out.as<std::byte>() + (i * columns + first) * size,
                x.as<std::byte>() + i * n * size, static_cast<size_t>(n * size));
  }
}

void RefOps::join_columns(Tensor out, Tensor parts) {
  const int64_t rows = parts.dim(1), width = parts.dim(2), size = bytes_of(out.dtype);
  MUST(out.dtype == parts.dtype && out.dim(0) == rows && out.dim(1) <= parts.dim(0) * width);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < out.dim(1); ++j) {
      const int64_t from = (j / width * rows + r) * width + j % width;
      std::memcpy(out.as<std::byte>() + (r * out.dim(1) + j) * size,
                  parts.as<std::byte>() + from * size, static_cast<size_t>(size));
    }
  }
}

}  // namespace pagoda::ref
