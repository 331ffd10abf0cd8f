#include "backends/cpu/host_limits.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/str.h"

namespace pagoda::cpu {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<int64_t> to_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;  // "max", or beyond 2^63
  return value;
}

std::optional<int64_t> read_integer(const fs::path& path) {
  const std::optional<std::string> text = read_file(path);
  return text ? to_integer(*text) : std::nullopt;
}

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

// A cgroup of this process and those above it, innermost first, as folders.
std::vector<fs::path> cgroup_folders(const fs::path& root, const std::string& controller) {
  const bool version2 = controller.empty();
  const fs::path mount = root / "sys/fs/cgroup" / controller;
  std::istringstream lines(read_file(root / "proc/self/cgroup").value_or(""));
  fs::path inside;
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = str(",", line.substr(first + 1, second - first - 1), ",");
    const bool match = version2 ? controllers == ",,"
                                : controllers.find(str(",", controller, ",")) != std::string::npos;
    if (match) inside = line.substr(second + 1);
  }
  std::vector<fs::path> folders;
  // Inside a container the path may be the host's, which is not mounted: then only the root is.
  for (fs::path p = inside.relative_path(); !p.empty(); p = p.parent_path()) {
    folders.push_back(mount / p);
  }
  folders.push_back(mount);
  return folders;
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
  const std::string stat = read_file(folder / "memory.stat").value_or("");
  const int64_t droppable = field(stat, files.inactive_file) + field(stat, files.active_file);
  const int64_t used = std::max<int64_t>(0, *usage - droppable);
  memory.total_bytes = *limit;
  memory.free_bytes = std::min(memory.free_bytes, std::max<int64_t>(0, *limit - used));
}

// CPUs of the quota, rounded up; nothing where there is none.
std::optional<int> quota_of(const fs::path& root) {
  std::optional<int> least;
  const auto take = [&](int64_t quota, int64_t period) {
    if (quota <= 0 || period <= 0) return;
    const auto cpus = static_cast<int>((quota + period - 1) / period);
    least = std::min(least.value_or(cpus), cpus);
  };
  for (const fs::path& folder : cgroup_folders(root, "")) {
    std::istringstream words(read_file(folder / "cpu.max").value_or(""));
    int64_t quota = 0, period = 0;
    if (words >> quota >> period) take(quota, period);
  }
  for (const fs::path& folder : cgroup_folders(root, "cpu")) {
    take(read_integer(folder / "cpu.cfs_quota_us").value_or(0),
         read_integer(folder / "cpu.cfs_period_us").value_or(0));
  }
  return least;
}

}  // namespace

DeviceMemory host_memory(const fs::path& root) {
  const std::string info = read_file(root / "proc/meminfo").value_or("");
  DeviceMemory memory = {.total_bytes = field(info, "MemTotal:") * 1024,
                         .free_bytes = field(info, "MemAvailable:") * 1024};
  for (const MemoryFiles& files : kMemoryFiles) {
    for (const fs::path& folder : cgroup_folders(root, files.controller)) {
      apply_cgroup(memory, folder, files);
    }
  }
  return memory;
}

int usable_cores(const fs::path& root) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  // Hyperthreads of one core share its vector units: one worker for them.
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const fs::path siblings =
        root / "sys/devices/system/cpu" / str("cpu", cpu) / "topology/thread_siblings_list";
    cores.insert(read_file(siblings).value_or(str(cpu)));
  }
  const auto count = static_cast<int>(cores.size());
  return std::max(1, std::min(count, quota_of(root).value_or(count)));
}

}  // namespace pagoda::cpu
