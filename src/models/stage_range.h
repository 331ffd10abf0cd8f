// Stages of an image encoder, as who plans its work names them (models/image_encoder.h).
//
// Thread rule: none; a value.
#pragma once

#include <cstdint>

namespace pagoda {

// Stages [first, last).
struct StageRange {
  int64_t first, last;
};

}  // namespace pagoda
