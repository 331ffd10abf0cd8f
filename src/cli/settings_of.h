// Turns what was given into Settings: defaults, then the environment, then the options.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "cli/environment_table.h"
#include "cli/option_parser.h"
#include "cli/settings.h"
#include "engine/placement.h"

namespace pagoda {

struct SettingsAndRemarks {
  Settings settings;
  std::vector<std::string> remarks;   // for the log: what has no effect, and why
  std::vector<std::string> warnings;  // for the log: what is likely a slip
};

// Throws kConfig for what is not possible, and for values that do not fit together.
SettingsAndRemarks settings_of(const ParsedOptions& options, const Environment& environment);

// {"model": "Qwen/Qwen3-8B", "port": 8001}: what was given and differs from the default. Keys and
// tokens are not shown.
std::string non_default_arguments(const ParsedOptions& options);

// What VLLM_CPU_OMP_THREADS_BIND and its kin say; throws kConfig where it cannot be read.
PlacementRequest placement_request_of(const Settings& settings);

}  // namespace pagoda
