#include "base/cgroup.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>

#include "base/str.h"

namespace pagoda {

namespace fs = std::filesystem;

namespace {

std::optional<int64_t> to_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;  // "max", or beyond 2^63
  return value;
}

}  // namespace

std::optional<std::string> read_if_there(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<int64_t> read_integer(const fs::path& path) {
  const std::optional<std::string> text = read_if_there(path);
  return text ? to_integer(*text) : std::nullopt;
}

std::vector<fs::path> cgroup_folders(const fs::path& root, const std::string& controller) {
  const bool version2 = controller.empty();
  const fs::path mount = root / "sys/fs/cgroup" / controller;
  std::istringstream lines(read_if_there(root / "proc/self/cgroup").value_or(""));
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

std::optional<int> cpu_quota(const fs::path& root) {
  std::optional<int> least;
  const auto take = [&](int64_t quota, int64_t period) {
    if (quota <= 0 || period <= 0) return;
    const auto cpus = static_cast<int>((quota + period - 1) / period);
    least = std::min(least.value_or(cpus), cpus);
  };
  for (const fs::path& folder : cgroup_folders(root, "")) {
    std::istringstream words(read_if_there(folder / "cpu.max").value_or(""));
    int64_t quota = 0, period = 0;
    if (words >> quota >> period) take(quota, period);
  }
  for (const fs::path& folder : cgroup_folders(root, "cpu")) {
    take(read_integer(folder / "cpu.cfs_quota_us").value_or(0),
         read_integer(folder / "cpu.cfs_period_us").value_or(0));
  }
  return least;
}

}  // namespace pagoda
