// `pagoda doctor`: what of this machine helps or hinders serving, with a remedy for each hindrance.
//
// Thread rule: call from main.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "engine/placement.h"
#include "tensor/device.h"

namespace pagoda {

enum class Verdict : uint8_t {
  kGood,
  kNote,     // serving works, but slower, or with less than there could be
  kProblem,  // serving fails
};

struct Finding {
  Verdict verdict = Verdict::kGood;
  std::string subject = {};  // "memory"
  std::string found = {};    // "20.1 GiB of 23.5 GiB are free"
  std::string remedy = {};   // empty where all is good
};

// Each looks at one subject. Files of the system are read below `root`, which is "/" but in tests.
Finding check_instruction_sets(const std::string& device_description);
Finding check_memory(const DeviceMemory& memory, const std::filesystem::path& root);
Finding check_cores(const Topology& topology);
Finding check_shared_memory(const std::filesystem::path& root);
Finding check_huge_pages(const std::filesystem::path& root);
Finding check_accelerators(const std::filesystem::path& root);
Finding check_open_files(uint64_t soft_limit);
Finding check_address_space(uint64_t soft_limit);
// Of processes and threads: what the user may have, and what the cgroups allow.
Finding check_threads(uint64_t soft_limit, const std::filesystem::path& root);
Finding check_port(const std::string& host, uint16_t port);
std::vector<Finding> check_caches(const std::vector<std::filesystem::path>& folders);

// All of the above, for these settings of `pagoda serve`.
std::vector<Finding> examine(const Settings& settings);
std::string doctor_help();
std::string doctor_report(const std::vector<Finding>& findings);
bool has_problem(const std::vector<Finding>& findings);

}  // namespace pagoda
