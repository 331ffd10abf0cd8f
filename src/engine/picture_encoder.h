// The encoder of one rank: runs stages of it, keeps what is between them, and keeps the rows of
// pictures that are finished.
//
// One picture is in the making at a time. Its stream stays here between steps; everything else that
// a step needs is in the workspace, which the decoder uses after it.
//
// Thread rule: the thread of its rank; PictureRows on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/memory_plan.h"
#include "engine/picture_planner.h"
#include "engine/step_plan.h"
#include "models/image_encoder.h"
#include "tensor/buffer.h"
#include "tensor/device.h"
#include "tensor/idle_ops.h"
#include "tensor/staging.h"

namespace pagoda {

// The costs of an encoder's pictures.
class EncoderCosts final : public PictureCosts {
 public:
  EncoderCosts(const ImageEncoder& encoder, const PatchConfig& patches)
      : encoder_(encoder), patches_(patches) {}
  std::optional<PictureSize> size_of(const Image& image) const override;
  std::vector<double> work_of(const Image& image) const override;

 private:
  const ImageEncoder& encoder_;
  const PatchConfig patches_;
};

// What an encoder takes on one rank for the largest picture.
struct EncoderMemory {
  int64_t hidden;           // numbers of a row
  int64_t kept_bytes;       // stream and arena
  int64_t workspace_bytes;  // of one encoding
  int64_t staging_bytes;    // in the host's memory
};
// `idle` does nothing, but that its ops note their scratch.
struct Idle {
  IdleOps& ops;
  IdleCommunicator& communicator;
};
EncoderMemory measure_encoder(const ImageEncoder& encoder, const PatchConfig& patches,
                              const PictureLimits& limits, DType dtype, const Idle& idle);

class PictureEncoder {
 public:
  PictureEncoder(Device& device, const ImageEncoder& encoder, const PatchConfig& patches,
                 const PictureLimits& limits, DType dtype, int64_t hidden);

  // The workspace is as it was when this returns.
  void run(Step& step, const PlannedEncoding& encoding);
  // rows i32 [given] of the arena -> [given, hidden] in the workspace.
  Tensor gather(Step& step, Tensor rows) const;

 private:
  PatchBatch upload(Step& step, const PlannedEncoding& encoding);
  void upload_patches(Tensor patches, const Image& image);
  void keep(Step& step, Tensor made, const std::vector<int32_t>& rows);

  const ImageEncoder& encoder_;
  const PatchConfig patches_;
  const DType dtype_;
  Buffer stream_;  // [patches, width]
  Buffer arena_;   // [rows, hidden]
  Tensor arena_view_;
  Staging staging_;
  // Of the picture in the making.
  PatchLayout layout_;
  std::vector<float> pixels_;  // of a merged patch
};

}  // namespace pagoda
