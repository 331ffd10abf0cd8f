// Reads the arguments of `pagoda serve` by the rules of vLLM's FlexibleArgumentParser
// (vllm/utils/__init__.py, v0.9.2): _ is -, unique prefixes, --x=y and --x y, --no-x, dotted keys
// of JSON options, -O3, human integers, and a YAML file below the command line.
//
// No argument library of Debian has these rules (CLI11: no prefixes, no dotted keys, no `_`), and
// the table is needed for --help and the documentation in any case.
//
// Thread rule: pure functions, but for reading the --config file.
#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/log.h"
#include "cli/option_table.h"

namespace pagoda {

enum class EntryPoint : uint8_t {
  kServe,      // pagoda serve MODEL ...
  kApiServer,  // pagoda --model MODEL ..., as python -m vllm.entrypoints.openai.api_server
};

struct GivenOption {
  boost::json::value value;
  std::string shown;  // as the user wrote it, for messages
};

struct ParsedOptions {
  std::map<std::string_view, GivenOption> given;  // by name; without those set to None
  std::optional<std::string> help;                // --help: "", --help=topic: "topic"
};

// Throws kConfig: option as typed, value, remedy.
ParsedOptions parse_options(std::span<const std::string> arguments, EntryPoint entry);

// What --log-format says, on the command line or in the --config file; so that what is wrong with
// other options is told in that form too. Does not throw.
LogFormat wanted_log_format(std::span<const std::string> arguments);

// The values of a YAML file by the long names of their options.
std::map<std::string_view, GivenOption> read_config_file(const std::string& path);

// The row of a long name without dashes, or of the only name that begins so; "no-" before a flag's
// name is looked through. Null if there is none.
struct FoundOption {
  const OptionRow* row = nullptr;
  bool negated = false;
};
// Throws kConfig where several names begin so.
FoundOption find_option(std::string_view name, std::string_view shown);
// "unrecognized arguments: ...", with the option that is written most like `name`.
[[noreturn]] void refuse_unknown_option(std::string_view shown, std::string_view name);

}  // namespace pagoda
