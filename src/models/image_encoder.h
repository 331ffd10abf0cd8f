// The part of a model that turns a picture into rows of embeddings, which take the place of the
// picture's tokens.
//
// It runs in stages, so that one large picture need not be encoded within one step: what is between
// stages is the stream, which the caller keeps. Rows of a picture do not depend on where the stages
// are cut, nor on any other picture.
//
// Thread rule: layout() and work() on any thread; the rest on the thread of its rank.
#pragma once

#include <cstdint>
#include <vector>

#include "models/stage_range.h"
#include "nn/step.h"
#include "vision/patches.h"

namespace pagoda {

// How an encoder wants the patches of a picture, on the host. Patches of one merged patch stay
// together (a group); groups are in the order of the encoder.
struct PatchLayout {
  std::vector<int32_t>
      groups;                 // [groups]: which merged patch, row by row of the picture, comes i-th
  std::vector<int32_t> rows;  // [patches]: row of each patch in the picture
  std::vector<int32_t> columns;  // [patches]
  std::vector<int32_t> windows;  // [windows + 1]: window i is patches windows[i] to windows[i + 1]
};

// A picture on the device, in its layout.
struct PatchBatch {
  Tensor patches;  // [patches, numbers of a patch]; read by stage 0 alone, may be empty for others
  Tensor positions;  // i32 [2, patches]: row, column
  Tensor windows;    // i32 [windows + 1]
  Tensor whole;      // i32 [2]: 0 and the number of patches
};

class ImageEncoder {
 public:
  virtual ~ImageEncoder() = default;

  virtual PatchLayout layout(const PatchGrid& grid) const = 0;
  virtual int64_t stages() const = 0;
  virtual int64_t width() const = 0;       // numbers of a patch in the stream
  virtual int64_t merge_size() const = 0;  // merge_size * merge_size patches become one row
  // What a stage costs, in tokens of the decoder that cost as much.
  virtual double work(const PatchGrid& grid, int64_t stage) const = 0;

  // stream [patches, width] is what the stages before made of it; stage 0 fills it.
  virtual void run(Step& step, const PatchBatch& picture, Tensor stream,
                   StageRange stages) const = 0;
  // After the last stage: rows [groups, hidden of the decoder], in the order of the layout, on
  // every rank, in the step's workspace.
  virtual Tensor finish(Step& step, Tensor stream) const = 0;
};

}  // namespace pagoda
