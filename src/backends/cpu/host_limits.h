// What memory the machine and the cgroup of this process allow.
//
// Thread rule: pure functions of the files below `root`, which is "/" but in tests.
#pragma once

#include <filesystem>

#include "tensor/device.h"

namespace pagoda::cpu {

// Free is MemAvailable, or less where a cgroup (version 1 or 2, this one or one above it) leaves
// less: its limit minus its usage, where file pages that can be dropped do not count as used.
DeviceMemory host_memory(const std::filesystem::path& root);

}  // namespace pagoda::cpu
