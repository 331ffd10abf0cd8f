#include "hub/resolve.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "base/str.h"
#include "hub/cache_layout.h"
#include "hub/json_fields.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr JsonTerms kRedirectTerms = {
    .blame = ErrorKind::kConfig, .remedy = "correct the file", .absent_remedy = "correct the file"};

// What VLLM_MODEL_REDIRECT_PATH makes of the name: a JSON object of names and folders, or lines of
// two words. As in vLLM, a file that is not there redirects nothing.
std::string redirected(std::string_view name, const std::string& redirect_path) {
  if (redirect_path.empty() || !is_file(redirect_path)) return std::string(name);
  const std::string text = read_text_file(redirect_path);
  const json::value value = parsed_json(text);
  if (value.is_object()) {
    const JsonReader folders(value, str("VLLM_MODEL_REDIRECT_PATH: ", redirect_path),
                             kRedirectTerms);
    const bool is_there = folders.has(name) || folders.is_null(name);
    return std::string(is_there ? folders.text(name) : name);
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string from, to;
    if (words >> from >> to && from == name) return to;
  }
  return std::string(name);
}

// Files that hold weights in forms we cannot read.
std::vector<std::string> other_weights(const std::vector<std::string>& names) {
  std::vector<std::string> others;
  for (const std::string& name : names) {
    const std::string extension = fs::path(name).extension().string();
    if (extension == ".bin" || extension == ".gguf" || extension == ".pt" || extension == ".pth") {
      others.push_back(name);
    }
  }
  return others;
}

void check_folder(const fs::path& folder, ModelNeed need) {
  if (need == ModelNeed::kAny || need == ModelNeed::kTokenizer) return;
  const std::vector<std::string> names = names_in(folder);
  const bool has_weights = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return fs::path(name).extension() == ".safetensors";
  });
  const std::vector<std::string> others = other_weights(names);
  const std::string found =
      others.empty() ? "" : str("; found ", joined(others, ", "), ", but safetensors are needed");
  if (!is_file(folder / "config.json")) {
    throw Error(ErrorKind::kConfig,
                str(folder.string(), ": holds no config.json", found,
                    "; give the folder of a model in Hugging Face format, or download it again"));
  }
  if (need == ModelNeed::kConfig || has_weights) return;
  throw Error(ErrorKind::kConfig,
              str(folder.string(), ": holds no *.safetensors", found,
                  "; get the model as safetensors, or use --load-format dummy"));
}

[[noreturn]] void reject(std::string_view name, const HubOptions& options,
                         const std::vector<Cache>& caches) {
  std::vector<std::string> searched;
  std::set<std::string> names;
  for (const Cache& cache : caches) {
    for (CachedFolder& found : folders_in(cache)) names.insert(std::move(found.name));
    if (std::find(searched.begin(), searched.end(), cache.folder.string()) == searched.end()) {
      searched.push_back(cache.folder.string());
    }
  }
  const std::vector<std::string> near = names_like(name, names);
  const std::string revision =
      options.revision.empty() ? "" : str(" (revision ", options.revision, ")");
  throw Error(ErrorKind::kConfig,
              str("model: \"", name, "\"", revision,
                  " is neither a folder nor a downloaded model; searched ", joined(searched, ", "),
                  near.empty() ? "" : str("; did you mean ", joined(near, " or "), "?"),
                  "; download it (pagoda download, huggingface-cli download, modelscope "
                  "download) or give its folder"));
}

}  // namespace

fs::path resolve_model(std::string_view name, const HubOptions& options, ModelNeed need) {
  const std::string target = redirected_name(name, options);
  if (is_folder(target)) {
    check_folder(target, need);
    return target;
  }
  if (is_file(target)) {
    throw Error(ErrorKind::kConfig, str("model: \"", target,
                                        "\" is a file, expected the folder of "
                                        "a model with config.json and *.safetensors"));
  }
  const std::vector<fs::path> copies = cached_copies(target, options);
  for (const fs::path& folder : copies) {
    if (missing_in(folder, need).empty()) return folder;
  }
  if (copies.empty()) reject(target, options, caches_of(options));
  check_folder(copies.front(), need);
  return copies.front();
}

std::vector<fs::path> cached_copies(const std::string& name, const HubOptions& options) {
  std::vector<fs::path> copies;
  if (!is_hub_name(name)) return copies;
  for (const Cache& cache : caches_of(options)) {
    for (fs::path& folder : find_in(cache, name, options.revision)) {
      copies.push_back(std::move(folder));
    }
  }
  return copies;
}

std::string redirected_name(std::string_view name, const HubOptions& options) {
  return redirected(name, options.redirect_path);
}

std::vector<fs::path> cache_folders(const HubOptions& options) {
  std::vector<fs::path> folders;
  for (const Cache& cache : caches_of(options)) {
    if (std::find(folders.begin(), folders.end(), cache.folder) == folders.end()) {
      folders.push_back(cache.folder);
    }
  }
  return folders;
}

}  // namespace pagoda
