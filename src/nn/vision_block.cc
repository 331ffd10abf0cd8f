#include "nn/vision_block.h"

#include <algorithm>
#include <cmath>

#include "nn/rotary.h"

namespace pagoda {
namespace {

constexpr double kNormEps = 1e-6;       // transformers v4.51, Qwen2_5_VLVisionBlock
constexpr double kRotaryTheta = 10000;  // likewise, Qwen2_5_VisionRotaryEmbedding

// Rows of the MLP at a time: its inner numbers would else be most of a large picture's memory.
constexpr int64_t kMlpRows = 4096;

// Queries, keys or values: a third of the rows of `w`, of the heads of this rank.
ColumnLinear projection(const Weights& w, const VisionShape& shape, int64_t third) {
  return {w,
          {3 * shape.hidden, shape.hidden},
          behind(w.share(shape.heads, shape.head_dim()), third * shape.hidden),
          Bias::kPresent};
}

}  // namespace

VisionAttention::VisionAttention(const Weights& w, const VisionShape& shape)
    : heads_(w.share(shape.heads).size()),
      head_dim_(shape.head_dim()),
      q_(projection(w / "qkv", shape, 0)),
      k_(projection(w / "qkv", shape, 1)),
      v_(projection(w / "qkv", shape, 2)),
      output_(w / "proj", {shape.hidden, shape.hidden}, w.share(shape.heads, shape.head_dim()),
              Bias::kPresent) {}

Tensor VisionAttention::heads_of(Step& step, const ColumnLinear& projection, Tensor x) const {
  const Tensor out = step.scratch.make({x.dim(0), heads_ * head_dim_});
  projection(step, out, x);
  return reshaped(out, {x.dim(0), heads_, head_dim_});
}

void VisionAttention::operator()(Step& step, Tensor out, Tensor x, const RotaryTable& rotary,
                                 AttendingRows range) const {
  const ScratchScope scope(step.scratch);
  const auto [segments, first] = range;
  const int64_t rows = out.dim(0);
  const Tensor q = heads_of(step, q_, rows_of(x, first, rows));
  const Tensor k = heads_of(step, k_, x), v = heads_of(step, v_, x);
  step.ops.rope(q, {rows_of(rotary.cos, first, rows), rows_of(rotary.sin, first, rows)},
                RotaryPairing::kHalves);
  step.ops.rope(k, rotary, RotaryPairing::kHalves);
  const Tensor seen = step.scratch.make({rows, heads_, head_dim_});
  step.ops.segment_attention(
      {.out = seen,
       .q = q,
       .k = k,
       .v = v,
       .offsets = segments,
       .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim_)))});
  output_(step, out, reshaped(seen, {rows, heads_ * head_dim_}));
}

VisionBlock::VisionBlock(const Weights& w, const VisionShape& shape)
    : attention_norm_(w / "norm1", shape.hidden, kNormEps),
      attention_(w / "attn", shape),
      mlp_norm_(w / "norm2", shape.hidden, kNormEps),
      mlp_(w / "mlp", {.hidden = shape.hidden, .ffn = shape.ffn, .bias = Bias::kPresent}) {}

void VisionBlock::operator()(Step& step, Tensor stream, const RotaryTable& rotary,
                             Tensor segments) const {
  const ScratchScope scope(step.scratch);
  Residual r{.stream = stream, .pending = {}};
  const Tensor x = attention_norm_(step, r);
  attention_(step, x, x, rotary, {segments});
  complete(step, stream, x);
}

void VisionBlock::attend_rows(Step& step, Tensor added, Tensor stream, const RotaryTable& rotary,
                              AttendingRows range) const {
  const ScratchScope scope(step.scratch);
  Residual r{.stream = stream, .pending = {}};
  attention_(step, added, attention_norm_(step, r), rotary, range);
}

void VisionBlock::complete(Step& step, Tensor stream, Tensor added) const {
  Residual r{.stream = stream, .pending = added};
  const Tensor x = mlp_norm_(step, r);
  for (int64_t first = 0; first < x.dim(0); first += kMlpRows) {
    mlp_(step, rows_of(x, first, std::min(kMlpRows, x.dim(0) - first)));
  }
  step.ops.add(stream, x);
}

PatchRotary::PatchRotary(const Weights& w, int64_t head_dim) {
  RotaryFrequencies f;
  const int64_t count = head_dim / 4;
  for (int64_t i = 0; i < count; ++i) {
    f.radians.push_back(
        std::pow(kRotaryTheta, -static_cast<double>(i) / static_cast<double>(count)));
  }
  const AngleTable table = angle_table(f, kMaxSide, 0, count);
  cos_ = w.constant({kMaxSide, count}, table.cos.data());
  sin_ = w.constant({kMaxSide, count}, table.sin.data());
}

RotaryTable PatchRotary::operator()(Step& step, Tensor positions) const {
  const int64_t patches = positions.dim(1), count = cos_.dim(1);
  const RotaryTable table = {.cos = step.scratch.make({patches, 2 * count}, DType::kF32),
                             .sin = step.scratch.make({patches, 2 * count}, DType::kF32)};
  const ScratchScope scope(step.scratch);
  const Tensor angles = step.scratch.make({patches, count}, DType::kF32);
  for (int64_t axis = 0; axis < 2; ++axis) {
    const Tensor places = reshaped(rows_of(positions, axis, 1), {patches});
    step.ops.gather_rows(angles, cos_, places);
    step.ops.paste_columns(table.cos, angles, axis * count);
    step.ops.gather_rows(angles, sin_, places);
    step.ops.paste_columns(table.sin, angles, axis * count);
  }
  return table;
}

}  // namespace pagoda
