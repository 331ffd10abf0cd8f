// What the control groups of this process allow, version 1 or 2.
//
// Thread rule: pure functions of the files below `root`, which is "/" but in tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pagoda {

// Nothing where there is no such file.
std::optional<std::string> read_if_there(const std::filesystem::path& path);
// Nothing where the file does not begin with a number that fits, such as "max".
std::optional<int64_t> read_integer(const std::filesystem::path& path);

// A cgroup of this process and those above it, innermost first, as folders.
// `controller` names one of version 1; empty: version 2.
std::vector<std::filesystem::path> cgroup_folders(const std::filesystem::path& root,
                                                  const std::string& controller);

// CPUs of the quota, rounded up; nothing where there is none.
std::optional<int> cpu_quota(const std::filesystem::path& root);

}  // namespace pagoda
