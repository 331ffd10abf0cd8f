// The vision tower of Qwen2.5-VL: blocks whose attention stays within square windows of the
// picture, a few that see all of it, and a merger that makes one row of 2 x 2 patches. Follows
// transformers v4.51, models/qwen2_5_vl/modeling_qwen2_5_vl.py.
//
// Thread rule: as ImageEncoder.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json_reader.h"
#include "load/weights.h"
#include "models/image_encoder.h"
#include "nn/vision_block.h"

namespace pagoda {

struct WindowEncoderConfig {
  VisionShape block;
  int64_t channels, frames, patch;  // of a patch: [channels, frames, patch, patch] numbers
  int64_t merge_size;               // patches of a merged patch, along each side
  int64_t window;                   // merged patches of a window, along each side
  std::vector<bool> sees_all;       // one a block: attention over the whole picture
  int64_t out;                      // numbers of a finished row
  double multiplies_of_token;       // of the decoder

  int64_t patch_numbers() const { return channels * frames * patch * patch; }
};

// vision_config of config.json; multiplies_of_token is for the caller to set. Throws kConfig for
// what this tower is not.
WindowEncoderConfig window_encoder_config(const JsonReader& vision);

class WindowEncoder final : public ImageEncoder {
 public:
  WindowEncoder(const Weights& w, const WindowEncoderConfig& config);

  PatchLayout layout(const PatchGrid& grid) const override;
  int64_t stages() const override { return static_cast<int64_t>(stages_.size()); }
  // The stream, and beside it what attention over the whole picture adds, as far as it is known.
  int64_t width() const override { return 2 * config_.block.hidden; }
  int64_t merge_size() const override { return config_.merge_size; }
  double work(const PatchGrid& grid, int64_t stage) const override;
  void run(Step& step, const PatchBatch& picture, Tensor stream, StageRange stages) const override;
  Tensor finish(Step& step, Tensor stream) const override;

 private:
  // A block, or one of kParts parts of the attention of one that sees the whole picture: for a
  // large picture that costs as the square of its patches. The last part completes the block.
  static constexpr int64_t kParts = 8;
  struct Stage {
    size_t block;
    int64_t part = 0, parts = 1;
  };
  struct Kept {  // what is between stages
    Tensor stream, added;
  };
  Kept kept(Tensor state) const;

  int64_t merged_numbers() const {
    return config_.block.hidden * config_.merge_size * config_.merge_size;
  }

  const WindowEncoderConfig config_;
  ColumnLinear patch_embedding_;
  PatchRotary rotary_;
  std::vector<VisionBlock> blocks_;
  std::vector<Stage> stages_;
  RmsNorm merger_norm_;
  ColumnLinear merger_in_;
  RowLinear merger_out_;
};

}  // namespace pagoda
