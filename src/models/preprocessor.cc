#include "models/preprocessor.h"

#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <utility>

#include "base/json_writer.h"
#include "base/str.h"
#include "load/json_file.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// What transformers 4.53 takes where the file says nothing; PatchConfig's own default of max_pixels
// is Qwen2.5-VL's.
constexpr int64_t kDefaultMaxPixels = int64_t{28} * 28 * 1280;
constexpr int64_t kBicubic = 3;             // PIL.Image.Resampling
constexpr int64_t kMostPixels = 1 << 28;    // a picture of 3 * 256 MiB
constexpr int64_t kMostPatchSize = 256;     // far above every model's
constexpr double kRescaleTolerance = 1e-9;  // files write 1 / 255 with 14 digits and more

// A JSON object with a name. Absent and null keys are the same.
class Keys {
 public:
  Keys(const json::object& values, std::string origin, ErrorKind blame)
      : values_(values), origin_(std::move(origin)), blame_(blame) {}

  const json::value* find(std::string_view key) const {
    const json::value* value = values_.if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  const json::object& values() const { return values_; }

  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const {
    const json::value* value = values_.if_contains(key);
    const std::string found = value == nullptr ? "missing" : to_json(*value, kPythonStyle);
    throw Error(blame_, str(origin_, ": ", key, " is ", found, ", but ", expected));
  }

  std::optional<int64_t> integer(std::string_view key, int64_t most) const {
    const json::value* value = find(key);
    if (value == nullptr) return std::nullopt;
    json::error_code failed;
    const auto number = value->to_number<int64_t>(failed);
    if (failed || number < 1 || number > most) {
      refuse(key, str("has to be a whole number from 1 to ", most));
    }
    return number;
  }

  // Of steps that ours always takes.
  void require_true(std::string_view key) const {
    const json::value* value = find(key);
    if (value != nullptr && *value != true) refuse(key, "only true is possible");
  }

  // One number for all channels, or one each.
  void read_channels(std::string_view key, std::array<float, 3>& out) const {
    const json::value* value = find(key);
    if (value == nullptr) return;
    for (size_t i = 0; i < out.size(); ++i) {
      const json::value* item = value;
      if (value->is_array())
        item = value->get_array().size() == 3 ? &value->get_array()[i] : nullptr;
      if (item == nullptr || !item->is_number()) {
        refuse(key, "has to be a number, or a list of three");
      }
      out[i] = static_cast<float>(item->to_number<double>());
    }
  }

  std::optional<Keys> section(std::string_view key) const {
    const json::value* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) refuse(key, "has to be an object");
    return Keys(value->get_object(), str(origin_, ": ", key), blame_);
  }

 private:
  const json::object& values_;
  const std::string origin_;
  const ErrorKind blame_;
};

void read_pixels(const Keys& keys, std::string_view least, std::string_view most,
                 PatchConfig& config) {
  if (const auto pixels = keys.integer(least, kMostPixels)) config.min_pixels = *pixels;
  if (const auto pixels = keys.integer(most, kMostPixels)) config.max_pixels = *pixels;
}

void read_bounds(const Keys& keys, PatchConfig& config) {
  if (const auto size = keys.section("size")) {
    for (const auto& [key, value] : size->values()) {
      if (key == "shortest_edge" || key == "longest_edge") continue;
      // Qwen2-VL's files have both names, of which transformers reads the ones outside.
      if (key == "min_pixels" || key == "max_pixels") continue;
      size->refuse(key, "only shortest_edge and longest_edge, in pixels of area, are possible");
    }
    read_pixels(*size, "min_pixels", "max_pixels", config);
    read_pixels(*size, "shortest_edge", "longest_edge", config);
  }
  read_pixels(keys, "min_pixels", "max_pixels", config);
  if (config.min_pixels > config.max_pixels) {
    keys.refuse("min_pixels", str("min_pixels (", config.min_pixels,
                                  ") has to be at most max_pixels (", config.max_pixels, ")"));
  }
}

void require_our_steps(const Keys& keys) {
  keys.require_true("do_resize");
  keys.require_true("do_rescale");
  keys.require_true("do_normalize");
  keys.require_true("do_convert_rgb");
  if (const json::value* resample = keys.find("resample")) {
    if (*resample != kBicubic) keys.refuse("resample", "only 3 (bicubic) is possible");
  }
  if (const json::value* factor = keys.find("rescale_factor")) {
    const bool fits = factor->is_number() &&
                      std::abs(factor->to_number<double>() * 255.0 - 1.0) < kRescaleTolerance;
    if (!fits) keys.refuse("rescale_factor", "only 1 / 255 is possible");
  }
}

}  // namespace

PatchConfig load_patch_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "preprocessor_config.json";
  const json::object values = read_json_object(path);
  const Keys keys(values, path.string(), ErrorKind::kConfig);
  PatchConfig config;
  config.max_pixels = kDefaultMaxPixels;
  require_our_steps(keys);
  config.patch_size = keys.integer("patch_size", kMostPatchSize).value_or(config.patch_size);
  config.temporal_patch_size =
      keys.integer("temporal_patch_size", kMostPatchSize).value_or(config.temporal_patch_size);
  config.merge_size = keys.integer("merge_size", kMostPatchSize).value_or(config.merge_size);
  keys.read_channels("image_mean", config.mean);
  keys.read_channels("image_std", config.deviation);
  for (const float deviation : config.deviation) {
    if (deviation == 0.0F) keys.refuse("image_std", "it divides, so it must not be 0");
  }
  read_bounds(keys, config);
  return config;
}

void require_fit(const PatchConfig& config, const HfConfig& hf) {
  const HfConfig vision = hf.section("vision_config");
  struct Wanted {
    const char* key;
    int64_t value, otherwise;  // where vision_config says nothing
  };
  const Wanted wanted[] = {{"patch_size", config.patch_size, 14},
                           {"temporal_patch_size", config.temporal_patch_size, 2},
                           {"spatial_merge_size", config.merge_size, 2}};
  for (const auto& [key, value, otherwise] : wanted) {
    const int64_t found = vision.integer_or(key, otherwise);
    if (found == value) continue;
    throw Error(ErrorKind::kConfig,
                str(vision.origin(), ": ", key, " is ", found, ", but ", value,
                    " in preprocessor_config.json; take both files from the same model"));
  }
}

PatchConfig with_processor_arguments(PatchConfig config, const ProcessorArguments& arguments) {
  const Keys keys(arguments.values, arguments.origin, arguments.blame);
  for (const auto& [key, value] : arguments.values) {
    // There is one implementation, and there are no videos: neither changes anything.
    if (key == "use_fast" || key == "fps") continue;
    if (key != "min_pixels" && key != "max_pixels" && key != "size") {
      keys.refuse(key,
                  "only min_pixels, max_pixels and size {shortest_edge, longest_edge} are "
                  "possible");
    }
  }
  read_bounds(keys, config);
  return config;
}

}  // namespace pagoda
