#include "hub/cache_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/value.hpp>
#include <numeric>
#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/str.h"
#include "hub/json_fields.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const bool matches = text.substr(at).starts_with(from);
    out += matches ? to : text.substr(at, 1);
    at += matches ? from.size() : 1;
  }
  return out;
}

constexpr std::string_view kFlatPrefix = "models--";

std::string flat_name(const std::string& name) {
  return str(kFlatPrefix, replaced(name, "/", "--"));
}

std::string first_word(const std::string& text) {
  std::istringstream in(text);
  std::string word;
  in >> word;
  return word;
}

// No shell stands between a Compose file or a unit and us, so "~" is left to be read here.
fs::path expanded(const std::string& path, const HubOptions& o) {
  if (path != "~" && !path.starts_with("~/")) return path;
  return fs::path(o.home) / path.substr(std::min<size_t>(path.size(), 2));
}

fs::path hugging_face_cache(const HubOptions& o) {
  return o.hf_hub_cache.empty() ? hugging_face_home(o) / "hub" : expanded(o.hf_hub_cache, o);
}

// ModelScope's tools do not ask XDG_CACHE_HOME. Up to version 1.37 they take "hub" to be the
// default, since then the folder above it; where MODELSCOPE_CACHE is set, all take that.
std::vector<fs::path> modelscope_caches(const HubOptions& o) {
  if (!o.modelscope_cache.empty()) {
    const fs::path folder = expanded(o.modelscope_cache, o);
    return {folder, folder / "hub"};
  }
  const fs::path folder = fs::path(o.home) / ".cache/modelscope";
  return {folder / "hub", folder};
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

// The branch or tag in ModelScope's ".mv": "Revision:master,CreatedAt:1720000000".
std::string modelscope_revision(const fs::path& folder) {
  constexpr std::string_view kKey = "Revision:";
  if (!is_file(folder / ".mv")) return "";
  const std::string text = first_word(read_text_file(folder / ".mv"));
  if (!text.starts_with(kKey)) return "";
  return text.substr(kKey.size(), text.find(',') - kKey.size());
}

// ModelScope's folders of older and newer versions, below `base`.
void find_modelscope(std::vector<fs::path>& found, const fs::path& base, const std::string& name,
                     const std::string& revision) {
  const bool has_owner = name.find('/') != std::string::npos;
  for (const std::string& folder : {replaced(name, ".", "___"), name}) {
    if (!has_owner || !is_file(base / folder / "config.json")) continue;
    // Plain folders hold one revision at a time. Those of older tools do not say which.
    const std::string held = modelscope_revision(base / folder);
    if (revision.empty() || held.empty() || held == revision) found.push_back(base / folder);
  }
  for (const std::string& folder : {flat_name(name), replaced(name, "/", "--")}) {
    if (const auto snapshot = snapshot_in(base / folder, revision)) found.push_back(*snapshot);
  }
}

// "org/name" of models--org--name or org--name.
std::string name_of_flat(std::string_view name) {
  if (name.starts_with(kFlatPrefix)) name.remove_prefix(kFlatPrefix.size());
  const size_t cut = name.find("--");
  if (cut == std::string_view::npos) return std::string(name);
  return str(name.substr(0, cut), "/", name.substr(cut + 2));
}

void add_snapshots(std::vector<CachedFolder>& found, const fs::path& flat_folder) {
  const std::string name = name_of_flat(flat_folder.filename().string());
  for (const std::string& snapshot : names_in(flat_folder / "snapshots")) {
    found.push_back({name, snapshot, flat_folder / "snapshots" / snapshot});
  }
}

// Models of ModelScope's plain folders. Their tools also leave a link with the name's own dots.
void add_plain(std::vector<CachedFolder>& found, const fs::path& owner) {
  for (const std::string& model : names_in(owner)) {
    const fs::path folder = owner / model;
    if (fs::is_symlink(folder) || !is_file(folder / "config.json")) continue;
    found.push_back({str(owner.filename().string(), "/", replaced(model, "___", ".")),
                     modelscope_revision(folder), folder});
  }
}

void add_below(std::vector<CachedFolder>& found, const fs::path& base, Cache::Form form) {
  for (const std::string& entry : names_in(base)) {
    const bool is_modelscope = form == Cache::Form::kModelScope;
    const bool is_flat =
        entry.starts_with(kFlatPrefix) || (is_modelscope && entry.find("--") != std::string::npos);
    if (is_flat) add_snapshots(found, base / entry);
    if (is_modelscope && entry != "models") add_plain(found, base / entry);
  }
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

bool is_number(std::string_view text) {
  constexpr size_t kMostDigits = 9;  // of what an int32_t holds
  return !text.empty() && text.size() <= kMostDigits &&
         text.find_first_not_of("0123456789") == text.npos;
}

// `name` is "model-00001-of-00003.safetensors": the first such file that is not there, "" if all
// are, or if `name` is of another form.
std::string missing_part(const std::set<std::string>& names, const std::string& name) {
  constexpr std::string_view kOf = "-of-", kExtension = ".safetensors";
  const size_t of = name.rfind(kOf);
  const size_t dash = of == std::string::npos || of == 0 ? of : name.rfind('-', of - 1);
  if (of == std::string::npos || dash == std::string::npos || dash == of) return "";
  const std::string number = name.substr(dash + 1, of - dash - 1);
  const size_t last = of + kOf.size();
  const std::string parts = name.substr(last, name.size() - last - kExtension.size());
  if (!is_number(number) || !is_number(parts)) return "";
  // A number that is a lie leads to a gap at once.
  for (int part = 1; part <= std::stoi(parts); ++part) {
    std::string wanted =
        fmt::format("{}{:0{}}{}", name.substr(0, dash + 1), part, number.size(), name.substr(of));
    if (!names.contains(wanted)) return wanted;
  }
  return "";
}

// In any form, also those that the tokenizer will refuse: no download would bring a better one.
bool has_tokenizer(const fs::path& folder) {
  const std::vector<std::string> names = names_in(folder);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const bool is_tokenizer = name == "tokenizer.json" || name == "vocab.json" ||
                              name == "tokenizer.model" || name.ends_with(".tiktoken");
    return is_tokenizer && is_file(folder / name);
  });
}

}  // namespace

std::vector<Cache> caches_of(const HubOptions& options) {
  using Form = Cache::Form;
  std::vector<Cache> caches;
  if (!options.download_dir.empty()) {
    const fs::path folder = expanded(options.download_dir, options);
    caches.push_back({Form::kHuggingFace, folder});
    caches.push_back({Form::kModelScope, folder});
  }
  const Cache hugging_face = {Form::kHuggingFace, hugging_face_cache(options)};
  if (!options.modelscope) caches.push_back(hugging_face);
  for (fs::path& folder : modelscope_caches(options)) {
    caches.push_back({Form::kModelScope, std::move(folder)});
  }
  if (options.modelscope) caches.push_back(hugging_face);
  return caches;
}

fs::path hugging_face_home(const HubOptions& o) {
  if (!o.hf_home.empty()) return expanded(o.hf_home, o);
  const fs::path user_cache =
      !o.xdg_cache_home.empty() ? expanded(o.xdg_cache_home, o) : fs::path(o.home) / ".cache";
  return user_cache / "huggingface";
}

fs::path hugging_face_folder(const std::string& name, const HubOptions& options) {
  const fs::path cache = options.download_dir.empty() ? hugging_face_cache(options)
                                                      : expanded(options.download_dir, options);
  return cache / flat_name(name);
}

fs::path modelscope_root(const HubOptions& options) {
  if (!options.download_dir.empty()) return expanded(options.download_dir, options);
  return modelscope_caches(options).front() / "models";
}

std::string modelscope_folder_name(const std::string& name) {
  return replaced(name, ".", "___");
}

bool is_hub_name(std::string_view name) {
  const fs::path path(name);
  int parts = 0;
  for (const fs::path& part : path) {
    if (part.empty() || part == "." || part == "..") return false;
    ++parts;
  }
  return path.is_relative() && (parts == 1 || parts == 2);
}

std::vector<fs::path> find_in(const Cache& cache, const std::string& name,
                              const std::string& revision) {
  std::vector<fs::path> found;
  if (cache.form == Cache::Form::kHuggingFace) {
    if (auto folder = snapshot_in(cache.folder / flat_name(name), revision)) {
      found.push_back(std::move(*folder));
    }
    return found;
  }
  find_modelscope(found, cache.folder / "models", name, revision);
  find_modelscope(found, cache.folder, name, revision);
  return found;
}

std::vector<CachedFolder> folders_in(const Cache& cache) {
  std::vector<CachedFolder> found;
  add_below(found, cache.folder, cache.form);
  add_below(found, cache.folder / "models", cache.form);
  return found;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

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

std::set<std::string> files_of_index(std::string_view text) {
  std::set<std::string> files;
  const boost::json::value index = parsed_json(text);
  const auto map = fields_of(index).if_object("weight_map");
  if (!map) return files;
  for (const std::string_view tensor : map->keys()) {
    if (const auto file = map->if_text(tensor)) files.emplace(*file);
  }
  return files;
}

std::string missing_in(const fs::path& folder, ModelNeed need) {
  if (need == ModelNeed::kAny) return "";
  if (need == ModelNeed::kTokenizer) return has_tokenizer(folder) ? "" : "tokenizer.json";
  if (!is_file(folder / "config.json")) return "config.json";
  if (need == ModelNeed::kConfig) return "";
  const fs::path index = folder / kIndexOfWeights;
  if (is_file(index)) {
    for (const std::string& file : files_of_index(read_text_file(index))) {
      if (!is_file(folder / file)) return file;
    }
  }
  std::set<std::string> weights;
  for (std::string& name : names_in(folder)) {
    const bool is_weight = fs::path(name).extension() == ".safetensors";
    if (is_weight && is_file(folder / name)) weights.insert(std::move(name));
  }
  if (weights.empty()) return "*.safetensors";
  if (!is_file(index)) {
    std::string missing = missing_part(weights, *weights.begin());
    if (!missing.empty()) return missing;
  }
  const bool lacks_words = need == ModelNeed::kWeights && !has_tokenizer(folder);
  return lacks_words ? "tokenizer.json" : "";
}

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

}  // namespace pagoda
