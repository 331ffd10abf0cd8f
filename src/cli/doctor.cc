#include "cli/doctor.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "backends/backends.h"
#include "base/cgroup.h"
#include "base/str.h"
#include "hub/resolve.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kGiB = int64_t{1} << 30;

std::string gib(int64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(kGiB));
}

// Empty if it cannot be read: files of the system differ from one to the other.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int64_t physical_memory(const fs::path& root) {
  std::istringstream line(first_line(root / "proc/meminfo"));  // "MemTotal:  123 kB"
  std::string key;
  int64_t kilobytes = 0;
  line >> key >> kilobytes;
  return kilobytes * 1024;
}

std::optional<int64_t> free_disk(const fs::path& folder) {
  struct statvfs disk = {};
  if (statvfs(folder.c_str(), &disk) != 0) return std::nullopt;
  return static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
}

// The folder, or the nearest above it that exists.
fs::path existing(fs::path folder) {
  std::error_code ignored;
  while (!fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

Finding check_cache(const fs::path& folder) {
  Finding finding = {.subject = "cache", .found = folder.string(), .remedy = ""};
  const fs::path there = existing(folder);
  if (access(there.c_str(), W_OK) != 0) {
    finding.verdict = Verdict::kNote;
    finding.found += str(": ", std::strerror(errno), " (", there.string(), ")");
    finding.remedy =
        "let this user write there, or name another folder by --download-dir; models "
        "that are there already can be served";
    return finding;
  }
  const int64_t free = free_disk(there).value_or(0);
  finding.found += str(": ", gib(free), " free", there == folder ? "" : ", not made yet");
  constexpr int64_t kSmallModel = 20 * kGiB;  // 8 billion weights in 16 bits, and room to spare
  if (free < kSmallModel) {
    finding.verdict = Verdict::kNote;
    finding.remedy = "a model of 8B takes 16 GB; name a folder on a larger disk by --download-dir";
  }
  return finding;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

// 0, or the errno of what failed.
int try_to_bind(const addrinfo& address) {
  const int fd = socket(address.ai_family, address.ai_socktype, address.ai_protocol);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int fault = bind(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  close(fd);
  return fault;
}

std::string port_remedy(int fault) {
  switch (fault) {
    case EACCES: return "ports below 1024 need privileges; choose a higher one by --port";
    case EADDRNOTAVAIL:
      return "this machine does not have that address (ip address lists its own); choose another "
             "by --host";
    default: return "stop what has it (ss -ltnp), or choose another by --port";
  }
}

uint64_t soft_limit_of(__rlimit_resource resource) {
  rlimit limit = {};
  getrlimit(resource, &limit);
  return limit.rlim_cur;
}

std::string_view mark_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood: return "ok";
    case Verdict::kNote: return "note";
    case Verdict::kProblem: return "PROBLEM";
  }
  return "?";
}

}  // namespace

Finding check_instruction_sets(const std::string& device_description) {
  // "cpu avx2, 1 thread": how many serve is the matter of the cores.
  Finding finding = {.subject = "instruction sets",
                     .found = device_description.substr(0, device_description.find(',')),
                     .remedy = ""};
  if (device_description.find("portable") != std::string::npos) {
    finding.verdict = Verdict::kNote;
    finding.remedy =
        "no vector instructions are used, which is slow; serve on a CPU with AVX2, "
        "AVX-512 or NEON, and if this one has them, let the virtual machine show them";
  }
  return finding;
}

Finding check_memory(const DeviceMemory& memory, const fs::path& root) {
  const int64_t physical = physical_memory(root);
  Finding finding = {.subject = "memory",
                     .found = str(gib(memory.free_bytes), " of ", gib(memory.total_bytes), " free"),
                     .remedy = ""};
  const int64_t reserve = memory.total_bytes / 10 + kGiB;
  if (memory.free_bytes <= reserve) {
    finding.verdict = Verdict::kProblem;
    finding.remedy = str("a tenth and 1 GiB (", gib(reserve),
                         ") are left to others; stop what uses memory, or raise the limit");
  } else if (memory.total_bytes < physical) {
    finding.verdict = Verdict::kNote;
    finding.found += str(" (the machine has ", gib(physical), ", a cgroup limits it)");
    finding.remedy = "raise mem_limit of the container or MemoryMax of the unit to use more";
  }
  return finding;
}

Finding check_cores(const Topology& topology) {
  const auto cores = static_cast<int>(topology.cores.size());
  Finding finding = {.subject = "cores", .found = str(cores, " cores"), .remedy = ""};
  if (topology.most_busy < cores) {
    finding.verdict = Verdict::kNote;
    finding.found += str(", of which a CPU quota lets ", topology.most_busy, " be busy at once");
    finding.remedy = "bind the container to cores (cpuset) instead of limiting its time (cpus)";
  }
  return finding;
}

Finding check_shared_memory(const fs::path& root) {
  const fs::path folder = root / "dev/shm";
  const std::optional<int64_t> free = free_disk(folder);
  if (!free) {
    return {Verdict::kNote, "shared memory", str(folder.string(), ": ", std::strerror(errno)),
            "mount a tmpfs there; Pagoda's ranks are threads and do without it"};
  }
  return {Verdict::kGood, "shared memory", str(folder.string(), ": ", gib(*free), " free"), ""};
}

Finding check_huge_pages(const fs::path& root) {
  const fs::path file = root / "sys/kernel/mm/transparent_hugepage/enabled";
  const std::string modes = first_line(file);  // "always [madvise] never"
  const size_t begin = modes.find('['), end = modes.find(']');
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return {Verdict::kNote, "huge pages", str(file.string(), " says nothing"),
            "the kernel has no transparent huge pages; serving works, somewhat slower"};
  }
  const std::string mode = modes.substr(begin + 1, end - begin - 1);
  if (mode != "never") return {Verdict::kGood, "huge pages", str("transparent: ", mode), ""};
  return {Verdict::kNote, "huge pages", "transparent: never",
          str("as root: echo madvise > ", file.string())};
}

Finding check_accelerators(const fs::path& root) {
  struct Kind {
    std::string_view name, node, driver;
  };
  constexpr Kind kKinds[] = {
      {"Ascend NPU", "davinci", "usr/local/Ascend/driver/version.info"},
      {"NVIDIA GPU", "nvidia", "proc/driver/nvidia/version"},
  };
  std::string found, remedy;
  std::error_code ignored;
  for (const Kind& kind : kKinds) {
    int nodes = 0;
    for (const auto& entry : fs::directory_iterator(root / "dev", ignored)) {
      const std::string name = entry.path().filename().string();
      const bool is_numbered =
          name.find_first_not_of("0123456789", kind.node.size()) == std::string::npos;
      if (name.starts_with(kind.node) && name.size() > kind.node.size() && is_numbered) ++nodes;
    }
    if (nodes == 0) continue;
    const std::string driver = first_line(root / kind.driver);
    found +=
        str(found.empty() ? "" : "; ", nodes, " ", kind.name, driver.empty() ? "" : ", ", driver);
    if (driver.empty()) remedy += str("the driver's /", kind.driver, " is missing: mount it. ");
  }
  if (found.empty()) return {Verdict::kGood, "accelerators", "none; the CPU serves", ""};
  return {Verdict::kNote, "accelerators", found,
          str(remedy, "backends of this build: ", backend_names())};
}

Finding check_open_files(uint64_t soft_limit) {
  constexpr uint64_t kEnough = 4096;  // a connection takes one
  const std::string found =
      soft_limit == RLIM_INFINITY ? std::string("no limit") : str("at most ", soft_limit);
  if (soft_limit >= kEnough) return {Verdict::kGood, "open files", found, ""};
  return {Verdict::kNote, "open files", found,
          str("each connection takes one; raise it: ulimit -n ", kEnough,
              ", ulimits: nofile in a Compose file, LimitNOFILE in a unit")};
}

Finding check_address_space(uint64_t soft_limit) {
  if (soft_limit == RLIM_INFINITY) return {Verdict::kGood, "address space", "no limit", ""};
  constexpr uint64_t kSmallest = 1 << 30;  // of the program with its threads and a small model
  return {soft_limit < kSmallest ? Verdict::kProblem : Verdict::kNote, "address space",
          str("at most ", gib(static_cast<int64_t>(soft_limit))),
          "weights and KV cache are reserved in it as a whole; take the limit away: ulimit -v "
          "unlimited, LimitAS=infinity in a unit"};
}

Finding check_threads(uint64_t soft_limit, const fs::path& root) {
  // A thread a core, one a rank, and those of the server and of downloads.
  constexpr uint64_t kFew = 64, kEnough = 512;
  uint64_t limit = soft_limit;
  for (const char* controller : {"", "pids"}) {
    for (const fs::path& folder : cgroup_folders(root, controller)) {
      const std::optional<int64_t> most = read_integer(folder / "pids.max");
      if (most && *most >= 0) limit = std::min(limit, static_cast<uint64_t>(*most));
    }
  }
  const std::string found =
      limit == RLIM_INFINITY ? std::string("no limit") : str("at most ", limit);
  if (limit >= kEnough) return {Verdict::kGood, "threads", found, ""};
  return {limit < kFew ? Verdict::kProblem : Verdict::kNote, "threads", found,
          "each core takes one, and the server some; raise it: ulimit -u, pids_limit in a Compose "
          "file, TasksMax in a unit"};
}

Finding check_port(const std::string& host, uint16_t port) {
  const std::string name = str(host.empty() ? "0.0.0.0" : host, ":", port);
  addrinfo hints = {};
  hints.ai_family = host.empty() ? AF_INET : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int fault =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), str(port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(list);
  if (fault != 0) {
    return {Verdict::kProblem, "port", str(name, ": ", gai_strerror(fault)),
            "give an address of this machine: --host 0.0.0.0"};
  }
  const int refused = try_to_bind(*addresses);
  if (refused == 0) return {Verdict::kGood, "port", str(name, " is free"), ""};
  return {Verdict::kProblem, "port", str(name, ": ", std::strerror(refused)), port_remedy(refused)};
}

std::vector<Finding> check_caches(const std::vector<fs::path>& folders) {
  std::vector<Finding> findings;
  findings.reserve(folders.size());
  for (const fs::path& folder : folders) findings.push_back(check_cache(folder));
  return findings;
}

std::vector<Finding> examine(const Settings& settings) {
  // With one thread, so that where few are allowed there is a report.
  const std::unique_ptr<Device> device = open_device(settings.engine.backend, {.threads = 1});
  const ListenConfig& listen = settings.server.listen;
  std::vector<Finding> findings = {check_instruction_sets(device->description()),
                                   check_cores(read_topology()),
                                   check_memory(device->memory(), "/"),
                                   check_huge_pages("/"),
                                   check_shared_memory("/"),
                                   check_accelerators("/"),
                                   check_open_files(soft_limit_of(RLIMIT_NOFILE)),
                                   check_address_space(soft_limit_of(RLIMIT_AS)),
                                   check_threads(soft_limit_of(RLIMIT_NPROC), "/"),
                                   check_port(listen.host, listen.port)};
  for (Finding& finding : check_caches(cache_folders(settings.hub))) {
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::string doctor_help() {
  return "usage: pagoda doctor [options]\n"
         "\n"
         "Says what of this machine helps or hinders serving, with a remedy for each hindrance:\n"
         "instruction sets, cores, memory and limits of the container, huge pages, shared memory,\n"
         "accelerators, limits of files, threads and address space, the port, the model caches.\n"
         "Exit code 0: it can serve, 1: a line says PROBLEM.\n"
         "\n"
         "  options                   those of `pagoda serve`: --port, --host, --backend,\n"
         "                            --download-dir\n";
}

std::string doctor_report(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text +=
        fmt::format("{:<8} {:<17} {}\n", mark_of(finding.verdict), finding.subject, finding.found);
    if (!finding.remedy.empty())
      text += fmt::format("{:<8} {:<17} -> {}\n", "", "", finding.remedy);
  }
  return text;
}

bool has_problem(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& f) { return f.verdict == Verdict::kProblem; });
}

}  // namespace pagoda
