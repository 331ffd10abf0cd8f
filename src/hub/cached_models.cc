#include "hub/cached_models.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "hub/cache_layout.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// Through links: the files of a snapshot lie elsewhere.
int64_t bytes_below(const fs::path& folder) {
  int64_t sum = 0;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) sum += static_cast<int64_t>(it->file_size(ignored));
  }
  return sum;
}

}  // namespace

std::vector<CachedModel> list_models(const HubOptions& options) {
  std::vector<CachedModel> models;
  std::set<fs::path> seen;  // --download-dir is searched in both forms
  for (const Cache& cache : caches_of(options)) {
    for (const CachedFolder& found : folders_in(cache)) {
      if (!seen.insert(found.folder).second) continue;
      models.push_back({.name = found.name,
                        .revision = found.revision,
                        .folder = found.folder,
                        .bytes = bytes_below(found.folder),
                        .missing = missing_in(found.folder, ModelNeed::kWeights)});
    }
  }
  std::sort(models.begin(), models.end(), [](const CachedModel& a, const CachedModel& b) {
    return std::tie(a.name, a.folder) < std::tie(b.name, b.folder);
  });
  return models;
}

}  // namespace pagoda
