// For tests: whether what `pagoda plan` says is what the engine then keeps.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/plan.h"
#include "cli/settings_of.h"
#include "engine/world.h"
#include "load/checkpoint.h"
#include "load/choose_dtype.h"
#include "load/hf_config.h"

namespace pagoda {

inline ServingPlan plan_of(const std::vector<std::string>& arguments) {
  const PlanOptions options = read_plan_options(arguments);
  return plan_serving(settings_of(options.serve, {}).settings, options);
}

// Loads the model for real.
inline void check_agrees(const std::filesystem::path& folder, int ranks, const std::string& dtype,
                         const std::vector<std::string>& more = {}) {
  CAPTURE(folder.string());
  CAPTURE(ranks);
  CAPTURE(dtype);
  std::vector<std::string> arguments = {folder.string(), "--tensor-parallel-size",
                                        std::to_string(ranks), "--dtype", dtype};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const ServingPlan plan = plan_of(arguments);

  EngineConfig config = settings_of(read_plan_options(arguments).serve, {}).settings.engine;
  config.model.folder = folder;
  config.model.definition = define_model(HfConfig::load(folder));
  config.model.dtype = plan.dtype;
  config.parallel.threads = 1;
  const auto source = open_checkpoint(folder);
  const World world(config, *source, open_by_config(config), nullptr);

  REQUIRE(plan.counts.size() == 1);
  const RankCountPlan& count = plan.counts[0];
  // Tables of odd lengths are rounded up to a cache line each.
  CHECK(std::abs(count.need.weight_bytes - world.weight_bytes()) <= 2 * 64 * ranks);
  CHECK(count.need.padding_bytes == world.padding_bytes());
  const bool has_whole_vocabulary = config.model.facts().vocab % ranks == 0;
  CHECK((!count.is_even || !has_whole_vocabulary || world.padding_bytes() == 0));
  REQUIRE(count.memory.has_value());
  CHECK(count.memory->max_model_len == world.memory().max_model_len);
  CHECK(count.memory->num_blocks() == world.memory().num_blocks());
}

}  // namespace pagoda
