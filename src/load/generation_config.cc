#include "load/generation_config.h"

#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/json_file.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kFile = "generation_config.json";
constexpr const char* kOverride = "--override-generation-config";

bool is_neutral(const std::string& source) {
  return source == "vllm" || source == "pagoda";
}

constexpr JsonTerms kFileTerms = {.blame = ErrorKind::kConfig,
                                  .remedy = "correct the file or use --generation-config vllm",
                                  .absent_remedy = {}};
constexpr JsonTerms kOverrideTerms = {
    .blame = ErrorKind::kConfig, .remedy = "correct the option", .absent_remedy = {}};

// A file of defaults.
struct DefaultsFile {
  json::object values;
  std::string path;
};

// None where the model has none.
std::optional<DefaultsFile> read_file(const fs::path& model_folder, const std::string& source) {
  const bool is_asked_for = source != "auto" && !is_neutral(source);
  const fs::path folder = is_asked_for ? fs::path(source) : model_folder;
  const fs::path path = folder / kFile;
  if (fs::exists(path)) return DefaultsFile{read_json_object(path), path.string()};
  if (!is_asked_for) return std::nullopt;
  throw Error(ErrorKind::kConfig, str("--generation-config: ", source, " holds no ", kFile,
                                      "; give auto, vllm, or a folder that holds one"));
}

struct Range {
  double low, high;
  bool includes_low = true;
  std::string_view text;  // for messages
};

void check(const JsonReader& values, std::string_view key, double value, const Range& range) {
  const bool is_high_enough = range.includes_low ? value >= range.low : value > range.low;
  if (!is_high_enough || value > range.high) values.reject(key, range.text);
}

// A null takes back what an earlier source said.
void read(const JsonReader& values, std::string_view key, const Range& range,
          std::optional<double>& into) {
  if (values.is_null(key)) into.reset();
  if (!values.has(key)) return;
  into = values.number(key);
  check(values, key, *into, range);
}

void read(const JsonReader& values, std::string_view key, const Range& range,
          std::optional<int64_t>& into) {
  if (values.is_null(key)) into.reset();
  if (!values.has(key)) return;
  into = values.integer(key);
  check(values, key, static_cast<double>(*into), range);
}

void read_sampling(GenerationDefaults& into, const JsonReader& values) {
  constexpr double kMost = std::numeric_limits<double>::max();
  read(values, "repetition_penalty", {0, kMost, false, "a number above 0"},
       into.repetition_penalty);
  read(values, "temperature", {0, kMost, true, "a number from 0"}, into.temperature);
  read(values, "top_k", {-1, 2147483647, true, "-1, 0 (all) or a count"}, into.top_k);
  read(values, "top_p", {0, 1, false, "a number in (0, 1]"}, into.top_p);
  read(values, "min_p", {0, 1, true, "a number in [0, 1]"}, into.min_p);
  read(values, "max_new_tokens", {1, 0x1p53, true, "a number from 1"}, into.max_new_tokens);
}

// transformers' GenerationConfig cannot tell its own defaults from values that a file states, and
// vLLM takes what differs from them: a file's top_k of 50 counts as not said.
void forget_defaults_of_transformers(GenerationDefaults& defaults) {
  if (defaults.repetition_penalty == 1.0) defaults.repetition_penalty.reset();
  if (defaults.temperature == 1.0) defaults.temperature.reset();
  if (defaults.top_k == 50) defaults.top_k.reset();
  if (defaults.top_p == 1.0) defaults.top_p.reset();
}

std::vector<TokenId> end_tokens(const JsonReader& values) {
  std::vector<TokenId> ids;
  for (const int64_t id : values.integers_or_empty("eos_token_id")) {
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
      throw Error(ErrorKind::kConfig, str(values.origin(), ": eos_token_id holds ", id,
                                          ", expected token ids; correct the file"));
    }
    ids.emplace_back(static_cast<int32_t>(id));
  }
  return ids;
}

}  // namespace

std::string GenerationDefaults::text() const {
  std::string text;
  const auto add = [&](std::string_view name, const auto& value) {
    if (!value) return;
    text += str(text.empty() ? "" : ", ", "'", name, "': ", to_json(json::value(*value)));
  };
  add("repetition_penalty", repetition_penalty);
  add("temperature", temperature);
  add("top_k", top_k);
  add("top_p", top_p);
  add("min_p", min_p);
  add("max_tokens", max_new_tokens);
  return "{" + text + "}";
}

GenerationDefaults load_generation_defaults(const fs::path& model_folder, const JsonReader& config,
                                            const GenerationOptions& options) {
  GenerationDefaults defaults;
  if (const auto file = read_file(model_folder, options.source)) {
    const JsonReader values(file->values, file->path, kFileTerms);
    defaults.eos_token_ids = end_tokens(values);
    if (!is_neutral(options.source)) {
      read_sampling(defaults, values);
      forget_defaults_of_transformers(defaults);
    }
  } else {
    defaults.eos_token_ids = end_tokens(config);
  }
  const JsonReader overrides(options.overrides, kOverride, kOverrideTerms);
  read_sampling(defaults, overrides);
  if (overrides.has("eos_token_id")) defaults.eos_token_ids = end_tokens(overrides);
  return defaults;
}

void log_generation_defaults(const GenerationDefaults& defaults, const GenerationOptions& options) {
  const std::string text = defaults.text();
  if (text == "{}") return;
  if (!is_neutral(options.source)) {
    LOG_WARNING(
        "Default sampling parameters have been overridden by the model's Hugging Face generation "
        "config recommended from the model creator. If this is not intended, please relaunch "
        "Pagoda with `--generation-config vllm`.");
  }
  const std::string source = options.source == "auto" ? "model" : options.source;
  LOG_INFO("Using default chat sampling params from {}: {}", source, text);
  LOG_INFO("Using default completion sampling params from {}: {}", source, text);
}

}  // namespace pagoda
