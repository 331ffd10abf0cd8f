#include "cli/option_table.h"

#include <algorithm>

namespace pagoda {
namespace {

// The names are those of vLLM's --help=listgroup.
constexpr GroupTitle kGroups[] = {
    {OptionGroup::kServe, "Serve", "Of the command itself."},
    {OptionGroup::kFrontend, "Frontend", "The HTTP server and the OpenAI API."},
    {OptionGroup::kModel, "ModelConfig", "The model, and how its files are read."},
    {OptionGroup::kLoad, "LoadConfig", "Loading of weights."},
    {OptionGroup::kDecoding, "DecodingConfig", "Reasoning and guided decoding."},
    {OptionGroup::kParallel, "ParallelConfig", "Ranks and hosts."},
    {OptionGroup::kCache, "CacheConfig", "The KV cache."},
    {OptionGroup::kMultiModal, "MultiModalConfig", "Images."},
    {OptionGroup::kLora, "LoRAConfig", "LoRA adapters."},
    {OptionGroup::kSpeculative, "SpeculativeConfig", "Speculative decoding."},
    {OptionGroup::kObservability, "ObservabilityConfig", "Metrics and traces."},
    {OptionGroup::kScheduler, "SchedulerConfig", "What runs in a step."},
    {OptionGroup::kGeneral, "VllmConfig", "The rest of vLLM's."},
    {OptionGroup::kPagoda, "Pagoda", "What vLLM does not have."},
};

}  // namespace

std::vector<const OptionRow*> all_options() {
  std::vector<const OptionRow*> rows;
  for (const auto part :
       {server_options(), model_options(), engine_options(), media_options(), other_options()}) {
    for (const OptionRow& row : part) rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const OptionRow* a, const OptionRow* b) { return a->group < b->group; });
  return rows;
}

std::span<const GroupTitle> option_groups() {
  return kGroups;
}

std::vector<std::string_view> split_choices(std::string_view list) {
  std::vector<std::string_view> items;
  while (!list.empty()) {
    const size_t end = std::min(list.find('|'), list.size());
    items.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return items;
}

bool is_among(std::string_view list, std::string_view item) {
  const auto items = split_choices(list);
  return std::find(items.begin(), items.end(), item) != items.end();
}

}  // namespace pagoda
