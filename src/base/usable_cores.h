// How many cores are there for this process. The one answer that every team of threads is sized by:
// what the machine has says nothing in a container, which may use two of its 64 cores.
//
// Thread rule: pure functions of the calling thread's affinity and the files below `root`, which is
// "/" but in tests.
#pragma once

#include <filesystem>

namespace pagoda {

// Physical cores this thread may run on, or fewer where a cgroup's CPU quota is less. At least 1.
// Threads inherit the affinity of the one that starts them: ask on that thread.
int usable_cores(const std::filesystem::path& root);

}  // namespace pagoda
