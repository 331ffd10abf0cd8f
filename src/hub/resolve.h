// Finds a model that is on this machine already: a folder, or a name in the caches that Hugging
// Face's and ModelScope's own tools fill.
//
// Thread rule: pure functions of their arguments and the file system.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub_options.h"

namespace pagoda {

// The folder of `name`: where the redirect file sends it, a local folder, or its newest download.
// Throws kConfig where there is none, saying where it was looked for and which names there are
// like it; or where the folder lacks what is needed.
std::filesystem::path resolve_model(std::string_view name, const HubOptions& options,
                                    ModelNeed need = ModelNeed::kWeights);

// The folders of a name in all caches, whole or not, the likeliest first.
std::vector<std::filesystem::path> cached_copies(const std::string& name,
                                                 const HubOptions& options);

// What the redirect file makes of a name: the name itself where it says nothing of it.
std::string redirected_name(std::string_view name, const HubOptions& options);

// The folders that are searched for a name, in order, existing or not: for messages and downloads.
std::vector<std::filesystem::path> cache_folders(const HubOptions& options);

}  // namespace pagoda
