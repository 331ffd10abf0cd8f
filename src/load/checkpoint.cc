#include "load/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/json_reader.h"
#include "base/str.h"
#include "load/safetensors.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr size_t kMostListed = 5;  // names in a message
constexpr JsonTerms kIndexTerms = {.blame = ErrorKind::kCheckpoint,
                                   .remedy = "get the file again",
                                   .absent_remedy = "get the file again"};

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(ErrorKind::kCheckpoint, str(parts...));
}

// "a, b, c and 7 more"
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostListed); ++i) {
    text += str(i == 0 ? "" : ", ", printable_name(names[i]));
  }
  if (names.size() > kMostListed) text += str(" and ", names.size() - kMostListed, " more");
  return text;
}

// One tensor in a mapped file.
class FileTensor final : public StoredTensor {
 public:
  FileTensor(const MappedFile& file, const SafetensorsEntry& entry, Encoding encoding)
      : file_(file),
        offset_(entry.offset),
        encoding_(encoding),
        element_(static_cast<size_t>(bytes_of(encoding, 1))) {}

  Encoding encoding() const override { return encoding_; }

  const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const override {
    const std::byte* data = file_.bytes().data() + offset_ + static_cast<size_t>(first) * element_;
    if (offset_ % element_ == 0) return data;
    // A header of odd length: legal, rare.
    std::copy_n(data, static_cast<size_t>(count) * element_, scratch);
    return scratch;
  }
  void prefetch(int64_t first, int64_t count) const override {
    // The system takes little at a time (read_ahead_kb, commonly 128).
    constexpr size_t kPiece = 128 << 10;
    size_t begin = offset_ + static_cast<size_t>(first) * element_;
    const size_t end = begin + static_cast<size_t>(count) * element_;
    for (; begin < end; begin += kPiece) file_.prefetch(begin, std::min(kPiece, end - begin));
  }
  void drop(int64_t first, int64_t count) const override {
    file_.drop(offset_ + static_cast<size_t>(first) * element_,
               static_cast<size_t>(count) * element_);
  }

 private:
  const MappedFile& file_;
  const size_t offset_;
  const Encoding encoding_;
  const size_t element_;
};

// How tensors of this kind are read, by the number format that the file states; none where that is
// another.
std::optional<Encoding> encoding_of(const SafetensorsEntry& entry, Numbers numbers) {
  const auto given_as = [&](std::string_view dtype, Encoding encoding) {
    return entry.dtype == dtype ? std::optional(encoding) : std::nullopt;
  };
  switch (numbers) {
    case Numbers::kFloats: return entry.encoding();
    case Numbers::kFloats8: return given_as("F8_E4M3", Encoding::kF8E4M3);
    case Numbers::kWords: return given_as("I32", Encoding::kInt8);
    case Numbers::kSizes: return given_as("I64", Encoding::kInt8);
  }
  return std::nullopt;
}

bool is_of_shape(const SafetensorsEntry& entry, std::span<const int64_t> shape) {
  const bool is_number = entry.shape.empty() && shape.size() == 1 && shape[0] == 1;
  return is_number ||
         std::equal(entry.shape.begin(), entry.shape.end(), shape.begin(), shape.end());
}

std::string_view names_of(Numbers numbers) {
  switch (numbers) {
    case Numbers::kFloats: return "F32, F16 or BF16; get the model in one of these";
    case Numbers::kFloats8: return "F8_E4M3; get the model again";
    case Numbers::kWords: return "I32; get the model again";
    case Numbers::kSizes: return "I64; get the model again";
  }
  return "?";
}

struct CheckpointFile {
  std::string path;
  MappedFile file;
  std::vector<SafetensorsEntry> entries;
};

class Checkpoint final : public WeightSource {
 public:
  Checkpoint(fs::path folder, const std::vector<std::string>& files) : folder_(std::move(folder)) {
    files_.reserve(files.size());
    for (const std::string& name : files) {
      const std::string path = (folder_ / name).string();
      MappedFile file(path);
      auto entries = parse_safetensors(file.bytes(), path);
      files_.push_back({path, std::move(file), std::move(entries)});
    }
  }

  // With an index, it says which file counts where two hold the same name.
  void place(const std::map<std::string, std::string>& index) {
    std::map<std::string, size_t> number_of;
    for (size_t i = 0; i < files_.size(); ++i) {
      number_of[fs::path(files_[i].path).filename().string()] = i;
    }
    for (size_t i = 0; i < files_.size(); ++i) {
      for (const SafetensorsEntry& entry : files_[i].entries) {
        const auto in_index = index.find(entry.name);
        if (in_index != index.end() && number_of.at(in_index->second) != i) continue;
        const auto [old, is_new] = places_.try_emplace(entry.name, Place{&files_[i], &entry});
        if (is_new) continue;
        fail(entry_name(entry), ": is in both ", old->second.file->path, " and ", files_[i].path,
             ", expected once; remove the file that does not belong to the model");
      }
    }
    check_index(index);
  }

  bool has(std::string_view name) const override { return places_.contains(name); }

  std::unique_ptr<StoredTensor> open(const std::string& name, std::span<const int64_t> shape,
                                     Numbers numbers) const override {
    const auto found = places_.find(name);
    if (found == places_.end()) reject_missing(name, shape);
    const auto [file, entry] = found->second;
    if (!is_of_shape(*entry, shape)) {
      fail(name, ": is ", shape_text(entry->shape), " in the file, ", shape_text(shape),
           " by config.json; take both from the same model (file ", file->path, ")");
    }
    const auto encoding = encoding_of(*entry, numbers);
    if (!encoding) {
      fail(name, ": is ", entry->dtype, " in the file, expected ", names_of(numbers), " (file ",
           file->path, ")");
    }
    return std::make_unique<FileTensor>(file->file, *entry, *encoding);
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, place] : places_) names.emplace_back(name);
    std::sort(names.begin(), names.end());
    return names;
  }

  int64_t total_bytes() const override {
    size_t bytes = 0;
    for (const auto& [name, place] : places_) bytes += place.entry->bytes;
    return static_cast<int64_t>(bytes);
  }

  std::optional<Encoding> first_encoding() const override {
    for (const CheckpointFile& file : files_) {
      for (const SafetensorsEntry& entry : file.entries) {
        if (const auto encoding = entry.encoding()) return encoding;
      }
    }
    return std::nullopt;
  }

  std::string description() const override {
    return fmt::format("{} safetensors file{}, {:.2f} GB", files_.size(),
                       files_.size() == 1 ? "" : "s", static_cast<double>(total_bytes()) * 1e-9);
  }

 private:
  struct Place {
    const CheckpointFile* file;
    const SafetensorsEntry* entry;
  };

  static std::string entry_name(const SafetensorsEntry& entry) {
    return printable_name(entry.name);
  }

  void check_index(const std::map<std::string, std::string>& index) const {
    for (const auto& [name, file] : index) {
      if (places_.contains(name)) continue;
      fail((folder_ / kIndexName).string(), ": ", printable_name(name), ": expected in ", file,
           ", which does not hold it; get both files again");
    }
  }

  // Quantized forms have other names beside the missing one: show them, they explain most misses.
  [[noreturn]] void reject_missing(const std::string& name, std::span<const int64_t> shape) const {
    const std::string scope = name.substr(0, name.rfind('.') + 1);
    std::vector<std::string> beside;
    for (const auto& [other, place] : places_) {
      if (!scope.empty() && other.starts_with(scope)) beside.emplace_back(other);
    }
    std::sort(beside.begin(), beside.end());
    fail(name, ": is not in the checkpoint, expected ", shape_text(shape), " by config.json",
         beside.empty() ? "" : str("; there are ", listed(beside)),
         "; take both from the same model (folder ", folder_.string(), ", ", description(), ")");
  }

  const fs::path folder_;
  std::vector<CheckpointFile> files_;
  std::unordered_map<std::string_view, Place> places_;  // keys live in files_
};

// Tensor -> file. Empty without an index.
std::map<std::string, std::string> read_index(const fs::path& folder) {
  const fs::path path = folder / kIndexName;
  if (!fs::exists(path)) return {};
  const json::object object = read_json_object(path);
  const JsonReader file(object, path.string(), kIndexTerms);
  const JsonReader weight_map = file.section("weight_map");
  if (weight_map.empty()) file.reject("weight_map", "an object of tensor and file names");
  std::map<std::string, std::string> index;
  for (const std::string_view tensor : weight_map.keys()) {
    const std::string_view name = weight_map.text(tensor);
    if (name.empty() || fs::path(name).filename().string() != name || name == "..") {
      weight_map.reject(tensor, "the name of a file beside it");
    }
    index.emplace(tensor, name);
  }
  return index;
}

std::vector<std::string> files_of(const std::map<std::string, std::string>& index,
                                  const fs::path& folder) {
  std::set<std::string> files;
  for (const auto& [name, file] : index) files.insert(file);
  std::vector<std::string> missing;
  for (const std::string& file : files) {
    if (!fs::is_regular_file(folder / file)) missing.push_back(file);
  }
  if (!missing.empty()) {
    fail((folder / kIndexName).string(), ": names ", files.size(), " files, of which ",
         listed(missing), missing.size() == 1 ? " is" : " are",
         " missing; download the model again");
  }
  return {files.begin(), files.end()};
}

[[noreturn]] void reject_folder(const fs::path& folder, const std::vector<std::string>& others) {
  fail(folder.string(), ": holds no *.safetensors, which the weights are read from",
       others.empty()
           ? "; download the model again, or use --load-format dummy"
           : str("; found ", listed(others), ", convert them or get the model as ", "safetensors"));
}

std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<std::string> files, consolidated, others;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::string extension = entry.path().extension().string();
    if (extension == ".bin" || extension == ".gguf" || extension == ".pt" || extension == ".pth") {
      others.push_back(name);
    }
    if (extension != ".safetensors") continue;
    // The same weights once more, under the names of Mistral's own code.
    (name.starts_with("consolidated") ? consolidated : files).push_back(name);
  }
  if (error) fail(folder.string(), ": cannot be read: ", error.message());
  if (files.empty()) files = consolidated;
  if (files.empty()) reject_folder(folder, others);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::unique_ptr<WeightSource> open_checkpoint(const fs::path& folder) {
  const auto index = read_index(folder);
  auto checkpoint = std::make_unique<Checkpoint>(
      folder, index.empty() ? files_of(folder) : files_of(index, folder));
  checkpoint->place(index);
  return checkpoint;
}

}  // namespace pagoda
