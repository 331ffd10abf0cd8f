#include "load/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/json/basic_parser_impl.hpp>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "load/weight_source.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // what the format's own library accepts
constexpr size_t kMaxDimensions = 64;
constexpr std::string_view kAgain = "; get the file again";

struct Dtype {
  std::string_view name;
  int bits;
  std::optional<Encoding> encoding;
};

// All that version 0.6 of the format's library knows.
constexpr std::array<Dtype, 20> kDtypes = {{
    {"F32", 32, Encoding::kF32},  {"F16", 16, Encoding::kF16},  {"BF16", 16, Encoding::kBF16},
    {"F64", 64, std::nullopt},    {"I64", 64, std::nullopt},    {"I32", 32, std::nullopt},
    {"I16", 16, std::nullopt},    {"I8", 8, std::nullopt},      {"U64", 64, std::nullopt},
    {"U32", 32, std::nullopt},    {"U16", 16, std::nullopt},    {"U8", 8, std::nullopt},
    {"BOOL", 8, std::nullopt},    {"F8_E4M3", 8, std::nullopt}, {"F8_E5M2", 8, std::nullopt},
    {"F8_E8M0", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt}, {"F6_E3M2", 6, std::nullopt},
    {"F4", 4, std::nullopt},      {"C64", 64, std::nullopt},
}};

const Dtype* find_dtype(std::string_view name) {
  const auto* found = std::find_if(kDtypes.begin(), kDtypes.end(),
                                   [&](const Dtype& dtype) { return dtype.name == name; });
  return found == kDtypes.end() ? nullptr : found;
}

std::string dtype_names() {
  std::string names;
  for (const Dtype& dtype : kDtypes) names += str(names.empty() ? "" : ", ", dtype.name);
  return names;
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(ErrorKind::kCheckpoint, str(parts...));
}

// An entry as written, before any of it is believed.
struct RawEntry {
  std::string name;
  std::string dtype = {};
  std::vector<uint64_t> shape = {}, offsets = {};
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Receives the header piece by piece. (A parser that builds values would forget duplicate keys.)
// The only nesting that has a meaning is header > tensor > shape or data_offsets; other keys of a
// tensor and all of "__metadata__" are skipped.
class HeaderReader {
 public:
  // Names that the parser asks for. NOLINTBEGIN(readability-identifier-naming)
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);
  // NOLINTEND(readability-identifier-naming)

  explicit HeaderReader(const std::string& path) : path_(path) {}
  std::vector<RawEntry> take() { return std::move(entries_); }

  bool on_document_begin(json::error_code& /*error*/) { return true; }
  bool on_document_end(json::error_code& /*error*/) { return true; }

  bool on_object_begin(json::error_code& /*error*/) {
    ++depth_;
    if (depth_ == 1 || skips()) return true;
    if (depth_ > 2) reject_value("an object");
    entries_.push_back({.name = tensor_});
    return true;
  }
  bool on_object_end(size_t /*keys*/, json::error_code& /*error*/) {
    --depth_;
    return true;
  }
  bool on_array_begin(json::error_code& /*error*/) {
    if (depth_ == 0) fail(path_, ": its header is a list, expected a JSON object", kAgain);
    ++depth_;
    if (skips()) return true;
    if (depth_ != 3 || field_ == Field::kDtype) reject_value("a list");
    return true;
  }
  bool on_array_end(size_t /*items*/, json::error_code& /*error*/) {
    --depth_;
    return true;
  }

  bool on_key_part(json::string_view part, size_t /*total*/, json::error_code& /*error*/) {
    text_ += std::string_view(part);
    return true;
  }
  bool on_key(json::string_view part, size_t /*total*/, json::error_code& /*error*/) {
    text_ += std::string_view(part);
    const std::string key = std::exchange(text_, {});
    if (depth_ == 1) begin_tensor(key);
    if (depth_ == 2 && !in_metadata_) begin_field(key);
    return true;
  }
  bool on_string_part(json::string_view part, size_t /*total*/, json::error_code& /*error*/) {
    text_ += std::string_view(part);
    return true;
  }
  bool on_string(json::string_view part, size_t /*total*/, json::error_code& /*error*/) {
    text_ += std::string_view(part);
    const std::string text = std::exchange(text_, {});
    if (skips()) return true;
    if (depth_ != 2 || field_ != Field::kDtype) reject_value("a string");
    entries_.back().dtype = text;
    return true;
  }
  bool on_number_part(json::string_view /*part*/, json::error_code& /*error*/) { return true; }
  bool on_int64(int64_t number, json::string_view text, json::error_code& /*error*/) {
    if (number < 0) return take_number(std::nullopt, text);
    return take_number(static_cast<uint64_t>(number), text);
  }
  bool on_uint64(uint64_t number, json::string_view text, json::error_code& /*error*/) {
    return take_number(number, text);
  }
  bool on_double(double /*number*/, json::string_view text, json::error_code& /*error*/) {
    return take_number(std::nullopt, text);
  }
  bool on_bool(bool value, json::error_code& /*error*/) {
    if (!skips()) reject_value(value ? "true" : "false");
    return true;
  }
  bool on_null(json::error_code& /*error*/) {
    if (!skips()) reject_value("null");
    return true;
  }
  bool on_comment_part(json::string_view /*part*/, json::error_code& /*error*/) { return true; }
  bool on_comment(json::string_view /*part*/, json::error_code& /*error*/) { return true; }

 private:
  enum class Field : uint8_t { kDtype, kShape, kOffsets, kOther };

  bool skips() const { return in_metadata_ || (depth_ >= 2 && field_ == Field::kOther); }

  void begin_tensor(const std::string& name) {
    if (!names_.insert(name).second) {
      fail(path_, ": ", printable_name(name), ": is named twice in the header, expected once",
           kAgain);
    }
    tensor_ = name;
    in_metadata_ = name == "__metadata__";
    field_ = Field::kDtype;  // until a key says otherwise; an empty object has none
  }

  void begin_field(std::string_view key) {
    RawEntry& entry = entries_.back();
    field_ = Field::kOther;
    bool* seen = nullptr;
    if (key == "dtype") field_ = Field::kDtype, seen = &entry.has_dtype;
    if (key == "shape") field_ = Field::kShape, seen = &entry.has_shape;
    if (key == "data_offsets") field_ = Field::kOffsets, seen = &entry.has_offsets;
    if (seen == nullptr) return;
    if (*seen) {
      fail(path_, ": ", printable_name(tensor_), ": has ", key, " twice, expected once", kAgain);
    }
    *seen = true;
  }

  bool take_number(std::optional<uint64_t> number, std::string_view text) {
    if (skips()) return true;
    const bool listed = depth_ == 3 && (field_ == Field::kShape || field_ == Field::kOffsets);
    if (!listed || !number) reject_value(printable_name(text));
    std::vector<uint64_t>& list =
        field_ == Field::kShape ? entries_.back().shape : entries_.back().offsets;
    if (list.size() >= kMaxDimensions) reject_value("a list of more than 64 numbers");
    list.push_back(*number);
    return true;
  }

  [[noreturn]] void reject_value(std::string_view found) const {
    if (depth_ == 0) fail(path_, ": its header is ", found, ", expected a JSON object", kAgain);
    const bool in_tensor = depth_ >= 2 && !entries_.empty() && entries_.back().name == tensor_;
    if (!in_tensor || (depth_ == 2 && field_ == Field::kDtype && !entries_.back().has_dtype)) {
      fail(path_, ": ", printable_name(tensor_), ": is ", found, " in the header, expected ",
           R"({"dtype", "shape", "data_offsets"})", kAgain);
    }
    constexpr std::array<std::string_view, 4> kNames = {"dtype", "shape", "data_offsets", ""};
    constexpr std::array<std::string_view, 4> kExpected = {
        "a string", "a list of whole numbers from 0", "two whole numbers from 0", ""};
    const auto field = static_cast<size_t>(field_);
    fail(path_, ": ", printable_name(tensor_), ": ", kNames[field], " holds ", found, ", expected ",
         kExpected[field], kAgain);
  }

  const std::string& path_;
  int depth_ = 0;
  bool in_metadata_ = false;
  Field field_ = Field::kDtype;
  std::string text_;    // of a key or string that arrives in parts
  std::string tensor_;  // whose entry is being read
  std::unordered_set<std::string> names_;
  std::vector<RawEntry> entries_;
};

std::vector<RawEntry> read_header(std::string_view text, const std::string& path) {
  json::basic_parser<HeaderReader> parser(json::parse_options{}, path);
  json::error_code error;
  const size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size() &&
      text.find_first_not_of(" \n\r\t", read) != std::string_view::npos) {
    error = json::error::extra_data;
  }
  if (error) {
    fail(path, ": its header is not valid JSON: ", error.message(), " at byte ", 8 + read, kAgain);
  }
  return parser.handler().take();
}

// The bytes of the header, behind its length.
std::string_view header_of(std::span<const std::byte> file, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("version https://git-lfs")) {
    fail(path, ": is a Git LFS pointer, not the weights; run `git lfs pull` in its folder");
  }
  if (file.size() < 8) {
    fail(path, ": is ", file.size(), " bytes, expected a safetensors file of at least 8", kAgain);
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  static_assert(std::endian::native == std::endian::little);
  if (length > kMaxHeaderBytes) {
    fail(path, ": claims a header of ", length, " bytes, expected at most ", kMaxHeaderBytes,
         ": it is no safetensors file or is damaged", kAgain);
  }
  if (length > file.size() - 8) {
    fail(path, ": claims a header of ", length, " bytes, but the file has ", file.size(),
         " bytes: it is cut short or damaged", kAgain);
  }
  return text.substr(8, static_cast<size_t>(length));
}

// None if it does not fit into 63 bits.
std::optional<uint64_t> bytes_needed(const std::vector<uint64_t>& shape, int bits) {
  uint64_t total = static_cast<uint64_t>(bits);
  const bool is_empty = std::find(shape.begin(), shape.end(), 0U) != shape.end();
  for (const uint64_t dim : shape) {
    if (dim > INT64_MAX) return std::nullopt;
    if (is_empty) continue;
    if (__builtin_mul_overflow(total, dim, &total) || total > INT64_MAX) return std::nullopt;
  }
  if (is_empty) return 0;
  if (total % 8 != 0) return std::nullopt;
  return total / 8;
}

std::vector<int64_t> to_signed(const std::vector<uint64_t>& shape) {
  std::vector<int64_t> dims;
  dims.reserve(shape.size());
  for (const uint64_t dim : shape) dims.push_back(static_cast<int64_t>(dim));
  return dims;
}

SafetensorsEntry believe(RawEntry raw, uint64_t data_bytes, const std::string& path) {
  const std::string where = str(path, ": ", printable_name(raw.name));
  if (!raw.has_dtype || !raw.has_shape || !raw.has_offsets) {
    fail(where, ": lacks ",
         !raw.has_dtype   ? "dtype"
         : !raw.has_shape ? "shape"
                          : "data_offsets",
         " in the header", kAgain);
  }
  const Dtype* dtype = find_dtype(raw.dtype);
  if (dtype == nullptr) {
    fail(where, ": has dtype \"", printable_name(raw.dtype), "\", expected one of ", dtype_names(),
         "; get the model in one of these");
  }
  if (raw.offsets.size() != 2 || raw.offsets[0] > raw.offsets[1]) {
    fail(where, ": data_offsets are not [begin, end] with begin <= end", kAgain);
  }
  const uint64_t begin = raw.offsets[0], bytes = raw.offsets[1] - begin;
  if (raw.offsets[1] > data_bytes) {
    fail(where, ": ends at byte ", raw.offsets[1], " of the data, but the file holds ", data_bytes,
         ": it is cut short or its header lies", kAgain);
  }
  const auto needed = bytes_needed(raw.shape, dtype->bits);
  if (!needed || *needed != bytes) {
    fail(where, ": has ", bytes, " bytes in the file, ",
         needed ? str(*needed) : std::string("an impossible number"), " by its shape ",
         needed ? shape_text(to_signed(raw.shape)) : std::string(), needed ? " of " : "of ",
         raw.dtype, kAgain);
  }
  return {.name = std::move(raw.name),
          .dtype = dtype->name,
          .shape = to_signed(raw.shape),
          .offset = static_cast<size_t>(begin),
          .bytes = static_cast<size_t>(bytes)};
}

void check_cover(const std::vector<SafetensorsEntry>& entries, size_t data_bytes,
                 const std::string& path) {
  size_t end = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const SafetensorsEntry& entry = entries[i];
    if (entry.offset < end) {
      fail(path, ": ", printable_name(entry.name), ": begins at byte ", entry.offset,
           " of the data, inside ", printable_name(entries[i - 1].name), ", which ends at ", end,
           kAgain);
    }
    if (entry.offset > end) {
      fail(path, ": ", printable_name(entry.name), ": begins at byte ", entry.offset,
           " of the data, expected ", end, ": no tensor covers the bytes between", kAgain);
    }
    end += entry.bytes;
  }
  if (end != data_bytes) {
    fail(path, ": holds ", data_bytes, " bytes of data, its header describes ", end, kAgain);
  }
}

}  // namespace

std::optional<Encoding> SafetensorsEntry::encoding() const {
  const Dtype* found = find_dtype(dtype);
  return found == nullptr ? std::nullopt : found->encoding;
}

std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> file,
                                                const std::string& path) {
  const std::string_view header = header_of(file, path);
  const size_t data_begin = 8 + header.size(), data_bytes = file.size() - data_begin;
  std::vector<SafetensorsEntry> entries;
  for (RawEntry& raw : read_header(header, path)) {
    entries.push_back(believe(std::move(raw), data_bytes, path));
  }
  // Tensors without elements may share their offset with another; they sort before it.
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  check_cover(entries, data_bytes, path);
  for (SafetensorsEntry& entry : entries) entry.offset += data_begin;
  return entries;
}

std::string printable_name(std::string_view name) {
  constexpr size_t kMaxBytes = 200;
  std::string cut(name.substr(0, kMaxBytes));
  cut.resize(cut.size() - incomplete_utf8_tail(cut));
  std::string out = to_valid_utf8(cut);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return name.size() > kMaxBytes ? out + "..." : out;
}

}  // namespace pagoda
