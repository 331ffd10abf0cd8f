// A layer of a vision tower: attention in both directions within segments of patches, then a gated
// MLP, each behind an RMS norm (Qwen2.5-VL, arXiv:2502.13923, section 2.1.1). Heads and the ffn
// dimension are dealt over the ranks.
//
// Thread rule: immutable after construction; called on the thread of its rank.
#pragma once

#include <cstdint>

#include "nn/gated_mlp.h"
#include "nn/norm.h"

namespace pagoda {

struct VisionShape {
  int64_t hidden, heads, ffn;
  int64_t head_dim() const { return hidden / heads; }
};

// Which rows attend to which: those from `first` on, to those of their segment. Where there are
// several segments, all rows.
struct AttendingRows {
  Tensor segments;  // i32 [segments + 1], as SegmentAttention's offsets
  int64_t first = 0;
};

class VisionAttention {
 public:
  VisionAttention(const Weights& w, const VisionShape& shape);

  // x [patches, hidden] -> out [rows that attend, hidden], perhaps in the memory of x.
  void operator()(Step& step, Tensor out, Tensor x, const RotaryTable& rotary,
                  AttendingRows range) const;

 private:
  Tensor heads_of(Step& step, const ColumnLinear& projection, Tensor x) const;

  int64_t heads_;  // of this rank, the padding included
  int64_t head_dim_;
  ColumnLinear q_, k_, v_;
  RowLinear output_;
};

class VisionBlock {
 public:
  VisionBlock(const Weights& w, const VisionShape& shape);

  // stream [patches, hidden] in place.
  void operator()(Step& step, Tensor stream, const RotaryTable& rotary, Tensor segments) const;

  // The same in pieces, where all patches are one segment: rows of what attention adds, and, when
  // all of them are there, the rest. The bits do not depend on the pieces; keys and values are
  // computed again for each.
  void attend_rows(Step& step, Tensor added, Tensor stream, const RotaryTable& rotary,
                   AttendingRows range) const;
  void complete(Step& step, Tensor stream, Tensor added) const;

 private:
  RmsNorm attention_norm_;
  VisionAttention attention_;
  RmsNorm mlp_norm_;
  GatedMlp mlp_;
};

// Rotary over two axes: half of the frequencies go by a patch's row, half by its column.
class PatchRotary {
 public:
  PatchRotary(const Weights& w, int64_t head_dim);

  // positions i32 [2, patches]: rows, columns, below kMaxSide.
  RotaryTable operator()(Step& step, Tensor positions) const;

  // Sides of a picture, in patches: of the most pixels that are accepted, 2^28, one side at most
  // 200 times the other, the longer one has 16551 patches of 14 pixels.
  static constexpr int64_t kMaxSide = 16640;

 private:
  Tensor cos_, sin_;  // f32 [kMaxSide, head_dim / 4]
};

}  // namespace pagoda
