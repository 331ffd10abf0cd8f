// Every environment variable that vLLM 0.9.2 knows, a row each, as option_table.h has the options.
//
// Thread rule: constants; read_environment() in main only, before any thread starts.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "cli/option_table.h"

namespace pagoda {

using Environment = std::map<std::string, std::string>;

// The process's own. The only place that reads it.
Environment read_environment();

struct VariableRow {
  std::string_view name = {};           // VLLM_DP_* stands for all that begin so
  std::string_view default_value = {};  // empty: not set
  std::string_view help = {};
  Standing standing = Standing::kNoMeaning;
  std::string_view note = {};      // as in OptionRow
  std::string_view harmless = {};  // as in OptionRow
  // For what works; null where somebody else reads it (the system's loader, libcurl).
  void (*apply)(Settings& settings, const std::string& value) = nullptr;
};

std::span<const VariableRow> all_variables();
// Null where no row has this name.
const VariableRow* find_variable(std::string_view name);

}  // namespace pagoda
