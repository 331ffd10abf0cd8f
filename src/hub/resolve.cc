#include "hub/resolve.h"

#include <algorithm>
#include <boost/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// A folder that holds downloads, and how.
struct Cache {
  enum class Form : uint8_t {
    kHuggingFace,  // models--org--name/{refs/<revision>, snapshots/<commit>}
    kModelScope,  // [models/]org/name with "___" for ".", or models--org--name/snapshots/<revision>
  };
  Form form;
  fs::path folder;
};

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const bool matches = text.substr(at).starts_with(from);
    out += matches ? to : text.substr(at, 1);
    at += matches ? from.size() : 1;
  }
  return out;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

constexpr std::string_view kFlatPrefix = "models--";

std::string flat_name(const std::string& name) {
  return str(kFlatPrefix, replaced(name, "/", "--"));
}

// Names in a folder, sorted; none if it cannot be read.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string first_word(const std::string& text) {
  std::istringstream in(text);
  std::string word;
  in >> word;
  return word;
}

// "org/name", or "name" alone: what can stand in a cache. Parts are not "." or "..", so a name
// cannot lead out of a cache.
bool is_hub_name(std::string_view name) {
  const fs::path path(name);
  int parts = 0;
  for (const fs::path& part : path) {
    if (part.empty() || part == "." || part == "..") return false;
    ++parts;
  }
  return path.is_relative() && (parts == 1 || parts == 2);
}

std::vector<Cache> caches_of(const HubOptions& o) {
  using Form = Cache::Form;
  const fs::path user_cache =
      !o.xdg_cache_home.empty() ? fs::path(o.xdg_cache_home) : fs::path(o.home) / ".cache";
  fs::path hf = fs::path(o.hf_hub_cache);
  if (hf.empty()) {
    hf = (!o.hf_home.empty() ? fs::path(o.hf_home) : user_cache / "huggingface") / "hub";
  }
  std::vector<Cache> caches;
  if (!o.download_dir.empty()) {
    caches.push_back({Form::kHuggingFace, o.download_dir});
    caches.push_back({Form::kModelScope, o.download_dir});
  }
  const Cache hugging_face = {Form::kHuggingFace, hf};
  std::vector<Cache> modelscope;
  if (!o.modelscope_cache.empty()) {
    modelscope.push_back({Form::kModelScope, o.modelscope_cache});
    modelscope.push_back({Form::kModelScope, fs::path(o.modelscope_cache) / "hub"});
  } else {
    // ModelScope's tools do not ask XDG_CACHE_HOME.
    modelscope.push_back({Form::kModelScope, fs::path(o.home) / ".cache/modelscope/hub"});
  }
  if (!o.modelscope) caches.push_back(hugging_face);
  caches.insert(caches.end(), modelscope.begin(), modelscope.end());
  if (o.modelscope) caches.push_back(hugging_face);
  return caches;
}

// snapshots/<commit> that refs/<revision> names, or a snapshot of that very name. Without a
// revision: that of "main", "master", or else the last written.
std::optional<fs::path> snapshot_in(const fs::path& folder, const std::string& revision) {
  const fs::path snapshots = folder / "snapshots";
  std::vector<std::string> wanted = {revision};
  if (revision.empty()) wanted = {"main", "master"};
  for (const std::string& name : wanted) {
    if (fs::path(name).is_absolute() || name.find("..") != std::string::npos) continue;
    const fs::path reference = folder / "refs" / name;
    if (is_file(reference)) {
      const fs::path named = snapshots / first_word(read_text_file(reference));
      if (named != snapshots / "" && is_folder(named)) return named;
    }
    if (is_folder(snapshots / name)) return snapshots / name;
  }
  if (!revision.empty()) return std::nullopt;
  std::optional<fs::path> newest;
  for (const std::string& name : names_in(snapshots)) {
    std::error_code ignored;
    const fs::path path = snapshots / name;
    if (!newest || fs::last_write_time(path, ignored) > fs::last_write_time(*newest, ignored)) {
      newest = path;
    }
  }
  return newest;
}

// ModelScope's folders of older and newer versions, below `base`.
std::optional<fs::path> find_modelscope(const fs::path& base, const std::string& name,
                                        const std::string& revision) {
  const bool has_owner = name.find('/') != std::string::npos;
  for (const std::string& folder : {replaced(name, ".", "___"), name}) {
    if (has_owner && is_file(base / folder / "config.json")) return base / folder;
  }
  return snapshot_in(base / flat_name(name), revision);
}

std::optional<fs::path> find_in(const Cache& cache, const std::string& name,
                                const std::string& revision) {
  if (cache.form == Cache::Form::kHuggingFace) {
    return snapshot_in(cache.folder / flat_name(name), revision);
  }
  const auto found = find_modelscope(cache.folder / "models", name, revision);
  return found ? found : find_modelscope(cache.folder, name, revision);
}

// "org/name" of models--org--name.
std::string name_of_flat(std::string_view flat) {
  const std::string_view name = flat.substr(kFlatPrefix.size());
  const size_t cut = name.find("--");
  if (cut == std::string_view::npos) return std::string(name);
  return str(name.substr(0, cut), "/", name.substr(cut + 2));
}

// org/name of the folders of ModelScope's cache below `owner`.
void add_plain_names(std::set<std::string>& names, const fs::path& owner) {
  for (const std::string& model : names_in(owner)) {
    if (!is_file(owner / model / "config.json")) continue;
    names.insert(str(owner.filename().string(), "/", replaced(model, "___", ".")));
  }
}

void add_names_below(std::set<std::string>& names, const fs::path& base, Cache::Form form) {
  for (const std::string& entry : names_in(base)) {
    if (entry.starts_with(kFlatPrefix)) names.insert(name_of_flat(entry));
    const bool is_owner = form == Cache::Form::kModelScope && entry != "models";
    if (is_owner) add_plain_names(names, base / entry);
  }
}

// Names of all models in a cache.
void add_names(std::set<std::string>& names, const Cache& cache) {
  add_names_below(names, cache.folder, cache.form);
  add_names_below(names, cache.folder / "models", cache.form);
}

// Levenshtein's distance, upper and lower case alike.
size_t distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replace = diagonal + (lower(a[i]) != lower(b[j]) ? 1 : 0);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j + 1] + 1, row[j] + 1});
    }
  }
  return row.back();
}

// At most three names that the typed one may have meant, the likeliest first.
std::vector<std::string> names_like(std::string_view name, const std::set<std::string>& names) {
  const std::string_view typed = name.substr(0, 200);  // the distance costs length x length
  std::vector<std::pair<size_t, std::string>> near;
  const std::string_view base = typed.substr(typed.rfind('/') + 1);
  for (const std::string& candidate : names) {
    const std::string_view candidate_base =
        std::string_view(candidate).substr(candidate.rfind('/') + 1);
    const size_t d = std::min(distance(typed, candidate), distance(base, candidate_base));
    if (d <= std::max<size_t>(2, base.size() / 3)) near.emplace_back(d, candidate);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> result;
  for (const auto& [d, candidate] : near) {
    if (result.size() < 3) result.push_back(candidate);
  }
  return result;
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) text += str(text.empty() ? "" : separator, part);
  return text;
}

// What VLLM_MODEL_REDIRECT_PATH makes of the name: a JSON object of names and folders, or lines of
// two words. As in vLLM, a file that is not there redirects nothing.
std::string redirected(std::string_view name, const std::string& redirect_path) {
  if (redirect_path.empty() || !is_file(redirect_path)) return std::string(name);
  const std::string text = read_text_file(redirect_path);
  json::error_code error;
  const json::value value = json::parse(text, error);
  if (!error && value.is_object()) {
    const json::value* folder = value.get_object().if_contains(name);
    if (folder == nullptr) return std::string(name);
    if (folder->is_string()) return std::string(folder->get_string());
    throw Error(ErrorKind::kConfig,
                str("VLLM_MODEL_REDIRECT_PATH: ", redirect_path, ": ", name, " leads to ",
                    json::serialize(*folder), ", expected a folder in quotes; correct the file"));
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
  if (need == ModelNeed::kAny) return;
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
    add_names(names, cache);
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
                  "; download it (huggingface-cli download, modelscope download) or give its "
                  "folder"));
}

}  // namespace

fs::path resolve_model(std::string_view name, const HubOptions& options, ModelNeed need) {
  const std::string target = redirected(name, options.redirect_path);
  if (is_folder(target)) {
    check_folder(target, need);
    return target;
  }
  if (is_file(target)) {
    throw Error(ErrorKind::kConfig, str("model: \"", target,
                                        "\" is a file, expected the folder of "
                                        "a model with config.json and *.safetensors"));
  }
  const std::vector<Cache> caches = caches_of(options);
  for (const Cache& cache : caches) {
    if (!is_hub_name(target)) break;
    if (const auto folder = find_in(cache, target, options.revision)) {
      check_folder(*folder, need);
      return *folder;
    }
  }
  reject(target, options, caches);
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
