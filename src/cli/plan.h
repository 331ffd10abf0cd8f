// `pagoda plan MODEL`: what serving a model would take, before anything is loaded, and on how many
// devices it fits. It measures with the code that `pagoda serve` loads and reserves with.
//
// Thread rule: call from main.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/environment_table.h"
#include "cli/option_parser.h"
#include "cli/settings.h"
#include "engine/measure_ranks.h"
#include "engine/memory_plan.h"
#include "models/model.h"

namespace pagoda {

// What is planned for, beside the options of `pagoda serve`.
struct PlanOptions {
  std::optional<int64_t> device_memory_bytes = {};  // --device-memory; none: this host's
  std::optional<int> devices = {};                  // --devices
  bool wants_compose = false;                       // --compose
  std::vector<std::string> serve_arguments = {};    // the others, in their order
  ParsedOptions serve = {};                         // the same, parsed
  Environment environment = {};                     // for --compose
};
// Throws kConfig: option as typed, value, remedy.
PlanOptions read_plan_options(const std::vector<std::string>& arguments);
// "--device_memory=32GiB": "--device-memory".
std::string name_of_option(const std::string& argument);

// One number of ranks.
struct RankCountPlan {
  int ranks = 1;
  bool is_even = true;  // nothing is padded but the vocabulary
  RanksNeed need = {};
  std::optional<MemoryPlan> memory = {};  // as `serve` would decide; none: does not fit
  int64_t longest = 0;                    // the longest context that fits, whatever is wanted
};

struct ServingPlan {
  std::string model = {};  // as typed
  ModelFacts facts = {};
  DType dtype = DType::kBF16;
  std::string weights = {};  // where their sizes are from
  std::string device = {};   // whose packing is counted
  DeviceMemory memory = {};
  std::optional<int64_t> wanted_len = {};  // --max-model-len
  int64_t block_size = 16;
  int64_t max_sequences = 1;
  int64_t max_step_tokens = 1;
  std::vector<RankCountPlan> counts = {};
  std::optional<size_t> best = {};  // of `counts`; none: the model fits on none
};
// Throws what `pagoda serve` would throw for this model, but for one that does not fit.
ServingPlan plan_serving(const Settings& settings, const PlanOptions& options);

// How many requests of the longest length it serves fit at once.
int64_t requests_at_once(const ServingPlan& plan, const RankCountPlan& count);

std::string plan_report(const ServingPlan& plan);
// "pagoda serve MODEL ..." of the best number of ranks, as a shell takes it.
std::string serve_line(const ServingPlan& plan, const PlanOptions& options);
// A Compose file that serves so.
std::string compose_file(const ServingPlan& plan, const PlanOptions& options);

std::string plan_help();

}  // namespace pagoda
