#include "hub/obtain.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mutex.h"
#include "base/str.h"
#include "hub/cache_layout.h"
#include "hub/digest.h"
#include "hub/download.h"
#include "hub/file_lock.h"
#include "hub/huggingface.h"
#include "hub/modelscope.h"
#include "hub/small_files.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// Makes one call at a time of calls from many threads.
class LockedProgress : public DownloadProgress {
 public:
  explicit LockedProgress(DownloadProgress& inner) : inner_(inner) {}

  void begin(std::string_view what, std::vector<DownloadedFile> files) override {
    const MutexLock lock(mutex_);
    inner_.begin(what, std::move(files));
  }
  void advance(size_t file, int64_t bytes) override {
    const MutexLock lock(mutex_);
    inner_.advance(file, bytes);
  }
  void finish(size_t file) override {
    const MutexLock lock(mutex_);
    inner_.finish(file);
  }
  void end() override {
    const MutexLock lock(mutex_);
    inner_.end();
  }
  void say(std::string_view notice) override {
    const MutexLock lock(mutex_);
    inner_.say(notice);
  }

 private:
  Mutex mutex_;
  DownloadProgress& inner_;
};

// One download: of which model, from where to where.
struct Order {
  const std::string name;
  const HubOptions& options;
  const ModelNeed need;
  DownloadProgress& progress;

  Say say() const {
    return [this](std::string_view notice) { progress.say(notice); };
  }
};

// A whole copy of the model in one of the caches.
std::optional<fs::path> find_whole(const Order& order) {
  for (fs::path& folder : cached_copies(order.name, order.options)) {
    if (missing_in(folder, order.need).empty()) return std::move(folder);
  }
  return std::nullopt;
}

// Beside the files, where both ModelScope's tools and ours put what is not whole yet.
fs::path modelscope_scratch(const Order& order) {
  return modelscope_root(order.options) / "._____temp" / order.name;
}

fs::path lock_path(const Order& order) {
  if (order.options.modelscope) return modelscope_scratch(order) / ".pagoda.lock";
  const fs::path folder = hugging_face_folder(order.name, order.options);
  return folder.parent_path() / ".locks" / folder.filename() / "pagoda.lock";
}

FileLock lock_model(const Order& order) {
  const HubNetwork& network = order.options.network;
  for (bool is_first = true;; is_first = false) {
    if (auto lock = FileLock::try_lock(lock_path(order))) return std::move(*lock);
    check_not_cancelled(network);
    if (is_first) {
      order.progress.say(str("another process is downloading ", order.name, "; waiting for it"));
    }
    wait_or_stop(network, network.lock_poll_ms);
  }
}

std::string title(const Order& order, const HubFile& file, const fs::path& folder) {
  return str(order.name, " from ", host_of(file.url), " to ", folder.string());
}

bool has_bytes(const fs::path& path, int64_t bytes) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return !error && size == static_cast<uintmax_t>(bytes);
}

// Some repositories hold the weights twice, whole and in parts. The index says which are meant; it
// is asked for only where names leave a doubt.
void drop_unindexed(const HubClient& client, std::vector<HubFile>& files) {
  const auto is_weight = [](const HubFile& file) { return file.path.ends_with(".safetensors"); };
  const auto index = std::find_if(files.begin(), files.end(),
                                  [](const HubFile& file) { return file.path == kIndexOfWeights; });
  const bool is_doubtful = std::any_of(files.begin(), files.end(), [&](const HubFile& file) {
    return is_weight(file) && file.path.find("-of-") == std::string::npos;
  });
  if (index == files.end() || !is_doubtful) return;
  const FetchResponse answer = client.get(index->url);
  if (answer.status != 200) return;  // the download will say what that means
  const std::set<std::string> named = files_of_index(answer.body);
  if (named.empty()) return;
  std::erase_if(files,
                [&](const HubFile& file) { return is_weight(file) && !named.contains(file.path); });
}

// What was begun here and finished by another tool; the caller holds the lock.
void drop(const fs::path& partial) {
  std::error_code ignored;
  fs::remove(partial, ignored);
}

fs::path download_from_hugging_face(const Order& order) {
  const HubClient client = hugging_face_client(order.options, order.say());
  HubListing listing = list_hugging_face(client, order.name, order.options);
  listing.files = needed_files(listing, order.need);
  drop_unindexed(client, listing.files);
  complete_hugging_face(client, listing.files);
  const fs::path folder = hugging_face_folder(order.name, order.options);
  const fs::path snapshot = folder / "snapshots" / listing.commit;
  std::vector<WantedFile> wanted;
  std::set<fs::path> seen;
  for (const HubFile& file : listing.files) {
    const fs::path blob = hugging_face_blob(folder, file);
    // Files of the same content ("{}") are one.
    if (!seen.insert(blob).second) continue;
    // Not "<blob>.incomplete": there Python's tools append, and would take our holes for content.
    const fs::path partial = str(blob.string(), ".pieces.incomplete");
    // In a snapshot itself where the file system has no links.
    if (has_bytes(blob, file.bytes) || has_bytes(snapshot / file.path, file.bytes)) {
      drop(partial);
      continue;
    }
    wanted.push_back({.source = file, .target = blob, .partial = partial});
  }
  if (!wanted.empty()) {
    const std::string what = title(order, wanted.front().source, folder);
    download_files(client, std::move(wanted), listing, what, order.progress);
  }
  return link_snapshot(folder, listing, order.options.revision);
}

bool is_same(const fs::path& path, const HubFile& file) {
  if (!has_bytes(path, file.bytes)) return false;
  return file.sha256.empty() || sha256_of_file(path, file.bytes) == file.sha256;
}

// ModelScope's tools leave a link with the name's own dots beside the folder without.
void link_dotted_name(const fs::path& root, const std::string& name) {
  const std::string folder = modelscope_folder_name(name);
  std::error_code error;
  if (folder == name || fs::exists(root / name, error)) return;
  fs::create_directory_symlink((root / folder).filename(), root / name, error);
}

void move_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  fs::rename(from, to, error);
  if (!error) return;
  throw Error(
      ErrorKind::kConfig,
      str(to.string(), ": cannot be written: ", error.message(),
          "; make its folder writable, or name another (--download-dir, MODELSCOPE_CACHE)"));
}

// A plain folder holds one revision. While files of two are in it, it has no config.json, so that
// nobody takes it for whole.
void put_in_place(const fs::path& ready, const fs::path& folder,
                  const std::vector<HubFile>& files) {
  constexpr const char* kConfig = "config.json";
  const bool has_new_config = is_file(ready / kConfig);
  if (!has_new_config && is_file(folder / kConfig)) {
    move_file(folder / kConfig, ready / kConfig);
  } else {
    drop(folder / kConfig);
  }
  for (const HubFile& file : files) {
    if (file.path != kConfig) move_file(ready / file.path, folder / file.path);
  }
  if (is_file(ready / kConfig)) move_file(ready / kConfig, folder / kConfig);
}

fs::path download_from_modelscope(const Order& order) {
  const HubClient client = modelscope_client(order.options, order.say());
  HubListing listing = list_modelscope(client, order.name, order.options);
  listing.files = needed_files(listing, order.need);
  drop_unindexed(client, listing.files);
  const fs::path root = modelscope_root(order.options);
  fs::path folder = root / modelscope_folder_name(order.name);
  // What is whole waits there for the rest: a folder that is replaced must not be a mixture.
  const fs::path ready = modelscope_scratch(order) / "ready";
  std::vector<WantedFile> wanted;
  std::vector<HubFile> fresh;
  for (const HubFile& file : listing.files) {
    // The hash keeps parts of two revisions apart.
    const fs::path partial = modelscope_scratch(order) /
                             str(file.path, ".", file.sha256.substr(0, 16), ".pieces.incomplete");
    const bool is_there = is_same(folder / file.path, file);
    if (!is_there) fresh.push_back(file);
    if (is_there || is_same(ready / file.path, file)) {
      drop(partial);
      continue;
    }
    wanted.push_back({.source = file, .target = ready / file.path, .partial = partial});
  }
  if (!wanted.empty()) {
    const std::string what = title(order, wanted.front().source, folder);
    download_files(client, std::move(wanted), listing, what, order.progress);
  }
  if (!fresh.empty()) put_in_place(ready, folder, fresh);
  std::error_code ignored;
  fs::remove_all(ready, ignored);
  note_modelscope(folder, listing);
  link_dotted_name(root, order.name);
  return folder;
}

fs::path download(const Order& order) {
  return order.options.modelscope ? download_from_modelscope(order)
                                  : download_from_hugging_face(order);
}

void check_hub_name(const Order& order) {
  const bool has_owner = order.name.find('/') != std::string::npos;
  if (is_hub_name(order.name) && (has_owner || !order.options.modelscope)) return;
  throw Error(ErrorKind::kConfig,
              str("model: \"", order.name, "\" is not a name at a hub; give owner/model"));
}

void check_online(const Order& order) {
  const HubOptions& options = order.options;
  if (options.offline_variable.empty()) return;
  std::vector<std::string> searched;
  for (const fs::path& folder : cache_folders(options)) searched.push_back(folder.string());
  std::string seen = str("searched ", joined(searched, ", "));
  const std::vector<fs::path> copies = cached_copies(order.name, options);
  if (!copies.empty()) {
    seen = str(copies.front().string(), " misses ", missing_in(copies.front(), order.need));
  }
  const std::string revision =
      options.revision.empty() ? "" : str(" (revision ", options.revision, ")");
  throw Error(ErrorKind::kConfig,
              str("model: \"", order.name, "\"", revision, " is not on this machine as a whole (",
                  seen, "), and ", options.offline_variable,
                  " forbids to download it; unset that, or give the folder of the model"));
}

// What resolve_model() answers without a look into the caches: a folder, or an error.
bool is_local(const std::string& target) {
  return is_folder(target) || is_file(target) || !is_hub_name(target);
}

}  // namespace

fs::path obtain_model(std::string_view name, const HubOptions& options, DownloadProgress& progress,
                      ModelNeed need) {
  const std::string target = redirected_name(name, options);
  if (is_local(target)) return resolve_model(name, options, need);
  LockedProgress locked(progress);
  const Order order = {target, options, need, locked};
  if (const auto folder = find_whole(order)) return *folder;
  check_online(order);
  check_hub_name(order);
  const FileLock lock = lock_model(order);
  // Another process may have downloaded it while we waited.
  if (const auto folder = find_whole(order)) return *folder;
  return download(order);
}

fs::path download_model(std::string_view name, const HubOptions& options,
                        DownloadProgress& progress, ModelNeed need) {
  LockedProgress locked(progress);
  const Order order = {redirected_name(name, options), options, need, locked};
  check_hub_name(order);
  if (!options.offline_variable.empty()) {
    // As Hugging Face's own tool: what is here already is the answer.
    if (const auto folder = find_whole(order)) return *folder;
  }
  check_online(order);
  const FileLock lock = lock_model(order);
  return download(order);
}

}  // namespace pagoda
