// The command line of `pagoda plan`: a few options of its own, and those of `pagoda serve`.

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/str.h"
#include "cli/plan.h"

namespace pagoda {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};
// A bare letter is binary, as in Compose files.
constexpr double kMi = 1 << 20, kGi = 1 << 30, kTi = kMi * kMi;
constexpr Unit kUnits[] = {{"MiB", kMi}, {"GiB", kGi}, {"TiB", kTi}, {"MB", 1e6},
                           {"GB", 1e9},  {"TB", 1e12}, {"M", kMi},   {"G", kGi},
                           {"T", kTi},   {"m", kMi},   {"g", kGi},   {"t", kTi}};

int64_t bytes_of_text(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, fault] = std::from_chars(text.data(), end, number);
  const std::string_view name(rest, static_cast<size_t>(end - rest));
  for (const Unit& unit : kUnits) {
    const double bytes = number * unit.bytes;
    const bool is_good = fault == std::errc{} && bytes >= 1.0 && bytes < 1e18;
    if (is_good && name == unit.name) return static_cast<int64_t>(bytes);
  }
  throw Error(ErrorKind::kConfig, str("--device-memory: \"", text,
                                      "\" is not an amount of memory; give one such as 32GiB "
                                      "(units: MiB, GiB, TiB, MB, GB, TB)"));
}

int count_of_text(const std::string& text) {
  int count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, fault] = std::from_chars(text.data(), end, count);
  constexpr int kMost = 1024;
  if (fault == std::errc{} && rest == end && count >= 1 && count <= kMost) return count;
  throw Error(ErrorKind::kConfig,
              str("--devices: \"", text, "\" is not a number of devices; give ", "1 to ", kMost));
}

// Of the option at `i`: behind its =, or the next argument, which `i` then moves to.
std::string value_of(const std::vector<std::string>& arguments, size_t& i) {
  const size_t equals = arguments[i].find('=');
  if (equals != std::string::npos) return arguments[i].substr(equals + 1);
  if (i + 1 < arguments.size()) return arguments[++i];
  throw Error(ErrorKind::kConfig, str(name_of_option(arguments[i]), ": expected one argument"));
}

}  // namespace

std::string name_of_option(const std::string& argument) {
  std::string name = argument.substr(0, argument.find('='));
  if (name.starts_with("--")) std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

PlanOptions read_plan_options(const std::vector<std::string>& arguments) {
  PlanOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = name_of_option(arguments[i]);
    if (name == "--device-memory") {
      options.device_memory_bytes = bytes_of_text(value_of(arguments, i));
    } else if (name == "--devices") {
      options.devices = count_of_text(value_of(arguments, i));
    } else if (name == "--compose") {
      options.wants_compose = true;
    } else {
      options.serve_arguments.push_back(arguments[i]);
    }
  }
  options.serve = parse_options(options.serve_arguments, EntryPoint::kServe);
  return options;
}

std::string plan_help() {
  return "usage: pagoda plan MODEL [--device-memory 32GiB] [--devices 8] [--compose] [options]\n"
         "\n"
         "Says what serving a model takes, and on how many devices it fits, from config.json and "
         "the\n"
         "headers of the weights, before anything is loaded. Without weights config.json is "
         "enough.\n"
         "\n"
         "  --device-memory SIZE      memory of each device, such as 32GiB (default: this host's "
         "memory,\n"
         "                            which all ranks share)\n"
         "  --devices N               most devices, or ranks on this host (default: 8)\n"
         "  --compose                 print a Compose file instead of the table\n"
         "  options                   those of `pagoda serve`: --max-model-len, --dtype,\n"
         "                            --tensor-parallel-size, --gpu-memory-utilization, ...\n";
}

}  // namespace pagoda
