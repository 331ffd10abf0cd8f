// What the caches hold: for `pagoda list`.
//
// Thread rule: pure function of its arguments and the file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hub/resolve.h"

namespace pagoda {

struct CachedModel {
  std::string name;      // "Qwen/Qwen3-8B"
  std::string revision;  // a commit, a branch, or empty where the cache does not say
  std::filesystem::path folder;
  int64_t bytes = 0;    // of the files in it; two revisions may share some of them
  std::string missing;  // what it lacks for serving, such as a file of weights; empty if nothing
};

// Sorted by name, then folder.
std::vector<CachedModel> list_models(const HubOptions& options);

}  // namespace pagoda
