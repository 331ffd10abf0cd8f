#include "models/preprocessor.h"

#include <array>
#include <boost/json/object.hpp>
#include <cmath>
#include <optional>
#include <vector>

#include "base/json_file.h"
#include "base/str.h"

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

const JsonTerms& terms_for(ErrorKind blame) {
  static constexpr JsonTerms kStart = {.blame = ErrorKind::kConfig};
  static constexpr JsonTerms kAsked = {.blame = ErrorKind::kRequest};
  return blame == ErrorKind::kRequest ? kAsked : kStart;
}

std::optional<int64_t> count_of(const JsonReader& keys, std::string_view key, int64_t most) {
  if (!keys.has(key)) return std::nullopt;
  const auto number = keys.if_integer(key);
  if (number && *number >= 1 && *number <= most) return number;
  keys.refuse(key, str("but has to be a whole number from 1 to ", most));
}

// Of steps that ours always takes.
void require_true(const JsonReader& keys, std::string_view key) {
  if (keys.has(key) && keys.if_flag(key) != true) keys.refuse(key, "but only true is possible");
}

// One number for all channels, or one each.
void read_channels(const JsonReader& keys, std::string_view key, std::array<float, 3>& out) {
  const auto value = keys.find(key);
  if (!value) return;
  const auto items = value->is_list() ? value->items() : std::vector(out.size(), *value);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto number = items.size() == out.size() ? items[i].if_number() : std::nullopt;
    if (!number) keys.refuse(key, "but has to be a number, or a list of three");
    out[i] = static_cast<float>(*number);
  }
}

void read_pixels(const JsonReader& keys, std::string_view least, std::string_view most,
                 PatchConfig& config) {
  if (const auto pixels = count_of(keys, least, kMostPixels)) config.min_pixels = *pixels;
  if (const auto pixels = count_of(keys, most, kMostPixels)) config.max_pixels = *pixels;
}

void read_bounds(const JsonReader& keys, PatchConfig& config) {
  const JsonReader size = keys.section("size");
  for (const std::string_view key : size.keys()) {
    if (key == "shortest_edge" || key == "longest_edge") continue;
    // Qwen2-VL's files have both names, of which transformers reads the ones outside.
    if (key == "min_pixels" || key == "max_pixels") continue;
    size.refuse(key, "but only shortest_edge and longest_edge, in pixels of area, are possible");
  }
  read_pixels(size, "min_pixels", "max_pixels", config);
  read_pixels(size, "shortest_edge", "longest_edge", config);
  read_pixels(keys, "min_pixels", "max_pixels", config);
  if (config.min_pixels > config.max_pixels) {
    keys.refuse("min_pixels", str("but min_pixels (", config.min_pixels,
                                  ") has to be at most max_pixels (", config.max_pixels, ")"));
  }
}

void require_our_steps(const JsonReader& keys) {
  for (const char* step : {"do_resize", "do_rescale", "do_normalize", "do_convert_rgb"}) {
    require_true(keys, step);
  }
  if (keys.has("resample") && keys.if_integer("resample") != kBicubic) {
    keys.refuse("resample", "but only 3 (bicubic) is possible");
  }
  const double factor = keys.if_number("rescale_factor").value_or(0.0);
  if (keys.has("rescale_factor") && std::abs(factor * 255.0 - 1.0) >= kRescaleTolerance) {
    keys.refuse("rescale_factor", "but only 1 / 255 is possible");
  }
}

}  // namespace

PatchConfig load_patch_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "preprocessor_config.json";
  const json::object values = read_json_object(path);
  const JsonReader keys(values, path.string(), terms_for(ErrorKind::kConfig));
  PatchConfig config;
  config.max_pixels = kDefaultMaxPixels;
  require_our_steps(keys);
  config.patch_size = count_of(keys, "patch_size", kMostPatchSize).value_or(config.patch_size);
  config.temporal_patch_size =
      count_of(keys, "temporal_patch_size", kMostPatchSize).value_or(config.temporal_patch_size);
  config.merge_size = count_of(keys, "merge_size", kMostPatchSize).value_or(config.merge_size);
  read_channels(keys, "image_mean", config.mean);
  read_channels(keys, "image_std", config.deviation);
  for (const float deviation : config.deviation) {
    if (deviation == 0.0F) keys.refuse("image_std", "but it divides, so it must not be 0");
  }
  read_bounds(keys, config);
  return config;
}

void require_fit(const PatchConfig& config, const JsonReader& hf) {
  const JsonReader vision = hf.section("vision_config");
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
  const JsonReader keys(arguments.values, arguments.origin, terms_for(arguments.blame));
  for (const std::string_view key : keys.keys()) {
    // There is one implementation, and there are no videos: neither changes anything.
    if (key == "use_fast" || key == "fps") continue;
    if (key != "min_pixels" && key != "max_pixels" && key != "size") {
      keys.refuse(key,
                  "but only min_pixels, max_pixels and size {shortest_edge, longest_edge} are "
                  "possible");
    }
  }
  read_bounds(keys, config);
  return config;
}

}  // namespace pagoda
