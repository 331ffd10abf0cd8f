#include "backends/cpu/host_limits.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "base/cgroup.h"

namespace pagoda::cpu {
namespace {

namespace fs = std::filesystem;

// The number behind `key` at the start of a line: "MemFree:  123 kB", "inactive_file 4096".
int64_t field(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string word, line; std::getline(lines, line);) {
    std::istringstream words(line);
    int64_t value = 0;
    if (words >> word && word == key && words >> value) return value;
  }
  return 0;
}

struct MemoryFiles {
  const char* controller;  // folder of version 1
  const char* limit;
  const char* usage;
  const char* inactive_file;  // fields of memory.stat
  const char* active_file;
};
constexpr MemoryFiles kMemoryFiles[] = {
    {"", "memory.max", "memory.current", "inactive_file", "active_file"},
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
     "total_active_file"},
};

void apply_cgroup(DeviceMemory& memory, const fs::path& folder, const MemoryFiles& files) {
  const std::optional<int64_t> limit = read_integer(folder / files.limit);
  const std::optional<int64_t> usage = read_integer(folder / files.usage);
  // Version 1 writes "no limit" as a number near 2^63.
  if (!limit || !usage || *limit >= memory.total_bytes) return;
  const std::string stat = read_if_there(folder / "memory.stat").value_or("");
  const int64_t droppable = field(stat, files.inactive_file) + field(stat, files.active_file);
  const int64_t used = std::max<int64_t>(0, *usage - droppable);
  memory.total_bytes = *limit;
  memory.free_bytes = std::min(memory.free_bytes, std::max<int64_t>(0, *limit - used));
}

}  // namespace

DeviceMemory host_memory(const fs::path& root) {
  const std::string info = read_if_there(root / "proc/meminfo").value_or("");
  DeviceMemory memory = {.total_bytes = field(info, "MemTotal:") * 1024,
                         .free_bytes = field(info, "MemAvailable:") * 1024};
  for (const MemoryFiles& files : kMemoryFiles) {
    for (const fs::path& folder : cgroup_folders(root, files.controller)) {
      apply_cgroup(memory, folder, files);
    }
  }
  return memory;
}

}  // namespace pagoda::cpu
