// How the caches of Hugging Face's and ModelScope's own tools are laid out on disk.
//
// Thread rule: pure functions of their arguments and the file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub_options.h"

namespace pagoda {

// A folder that holds downloads, and how.
struct Cache {
  enum class Form : uint8_t {
    kHuggingFace,  // models--org--name/{blobs/<hash>, refs/<revision>, snapshots/<commit>}
    // [models/]org/name with "___" for ".", or, since version 1.38 of the package,
    // models/org--name/snapshots/<revision>; also as kHuggingFace.
    kModelScope,
  };
  Form form;
  std::filesystem::path folder;
};

// All that are searched, in order.
std::vector<Cache> caches_of(const HubOptions& options);
// Where Hugging Face's tools keep what is theirs: the cache of models ("hub") and the token.
std::filesystem::path hugging_face_home(const HubOptions& options);
// Where a download from Hugging Face goes: models--org--name of a cache.
std::filesystem::path hugging_face_folder(const std::string& name, const HubOptions& options);
// Where a download from ModelScope goes: the folder that holds owners.
std::filesystem::path modelscope_root(const HubOptions& options);
// "org/name" below it, as ModelScope's tools write it.
std::string modelscope_folder_name(const std::string& name);

// "org/name", or "name" alone: what can stand in a cache and on a hub. Parts are not "." or "..",
// so a name cannot lead out of a cache.
bool is_hub_name(std::string_view name);
// The folders of a cached model, whatever they hold, the likeliest first: one model may be there in
// several layouts.
std::vector<std::filesystem::path> find_in(const Cache& cache, const std::string& name,
                                           const std::string& revision);

// A model in a cache.
struct CachedFolder {
  std::string name;
  std::string revision;  // a commit, a branch, or empty where the cache does not say
  std::filesystem::path folder;
};
std::vector<CachedFolder> folders_in(const Cache& cache);

bool is_folder(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);
// Names in a folder, sorted; none if it cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder);

constexpr std::string_view kIndexOfWeights = "model.safetensors.index.json";
// The files that an index of weights names; empty if it cannot be read as one.
std::set<std::string> files_of_index(std::string_view text);

// What of the model in `folder` is missing for this need: "" if nothing, else a name such as
// "config.json", or "*.safetensors". An index of weights says which files there must be.
std::string missing_in(const std::filesystem::path& folder, ModelNeed need);

// At most three names that the typed one may have meant, the likeliest first.
std::vector<std::string> names_like(std::string_view name, const std::set<std::string>& names);
std::string joined(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace pagoda
