// A model by its name: found on this machine, or downloaded from Hugging Face or ModelScope.
//
// Thread rule: any thread; two calls for one model, also of two processes, download once.
#pragma once

#include <filesystem>
#include <string_view>

#include "hub/progress.h"
#include "hub/resolve.h"

namespace pagoda {

// As resolve_model(); but what is neither a folder nor whole in a cache is downloaded, to where the
// platform's own tools keep it or to --download-dir. A folder touches no network. Throws kConfig
// (no such model, not let in, offline, no space) or kDevice (the network).
std::filesystem::path obtain_model(std::string_view name, const HubOptions& options,
                                   DownloadProgress& progress,
                                   ModelNeed need = ModelNeed::kWeights);

// Asks the hub for the newest state of a revision and downloads what of it is missing here.
// Offline, a whole copy in a cache is the answer.
std::filesystem::path download_model(std::string_view name, const HubOptions& options,
                                     DownloadProgress& progress,
                                     ModelNeed need = ModelNeed::kWeights);

}  // namespace pagoda
