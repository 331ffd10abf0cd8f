// The dtype of activations, from --dtype and the checkpoint.
//
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "base/json_reader.h"
#include "tensor/dtype.h"
#include "tensor/matrix.h"

namespace pagoda {

// As vLLM documents --dtype: half, float16, bfloat16, float, float32, or auto: bfloat16 for models
// in bfloat16, float16 for those in float16 and float32. A config.json without torch_dtype (or
// dtype) leaves it to `stored`, the format of the first tensor, and without that counts as
// float32. Throws kConfig.
DType choose_dtype(std::string_view option, const JsonReader& config,
                   std::optional<Encoding> stored = std::nullopt);

}  // namespace pagoda
