// quantization_config of method compressed-tensors (llm-compressor): which modules are stored how.
//
// Thread rule: pure functions.
#pragma once

#include <vector>

#include "base/json_reader.h"
#include "load/weight_scheme.h"

namespace pagoda {

// A rule for what `ignore` names, then one a config group. Throws kConfig for what cannot be
// computed with: other formats than pack-quantized, quantized activations or caches.
std::vector<SchemeRule> compressed_tensors_rules(const JsonReader& quantization);

}  // namespace pagoda
