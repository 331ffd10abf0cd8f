// Weights that lie in a folder.
//
// Thread rule: pure function; what it returns is as weight_source.h says.
#pragma once

#include <filesystem>
#include <memory>

#include "load/weight_source.h"

namespace pagoda {

// --load-format auto, safetensors: all *.safetensors of the folder, or those of its index. Headers
// are read and checked, data are mapped. Throws kCheckpoint: file, tensor, found, expected, remedy.
std::unique_ptr<WeightSource> open_checkpoint(const std::filesystem::path& folder);

}  // namespace pagoda
