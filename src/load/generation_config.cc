#include "load/generation_config.h"

#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/str.h"
#include "load/json_file.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kFile = "generation_config.json";
constexpr const char* kOverride = "--override-generation-config";

bool is_neutral(const std::string& source) {
  return source == "vllm" || source == "pagoda";
}

// The file as an object; none where the model has none.
std::optional<HfConfig> read_file(const fs::path& model_folder, const std::string& source) {
  const bool is_asked_for = source != "auto" && !is_neutral(source);
  const fs::path folder = is_asked_for ? fs::path(source) : model_folder;
  const fs::path path = folder / kFile;
  if (fs::exists(path)) return HfConfig(read_json_object(path), path.string());
  if (!is_asked_for) return std::nullopt;
  throw Error(ErrorKind::kConfig, str("--generation-config: ", source, " holds no ", kFile,
                                      "; give auto, vllm, or a folder that holds one"));
}

// One source of defaults: the file, or the command line.
class Reader {
 public:
  Reader(const HfConfig& values, std::string remedy)
      : values_(values), remedy_(std::move(remedy)) {}

  struct Range {
    double low, high;
    bool includes_low = true;
    std::string_view text;  // for messages
  };

  void number(std::optional<double>& into, std::string_view key, const Range& range) const {
    if (!settles(into, key)) return;
    const double value = values_.number(key);
    check(key, value, range);
    into = value;
  }
  void integer(std::optional<int64_t>& into, std::string_view key, const Range& range) const {
    if (!settles(into, key)) return;
    const int64_t value = values_.integer(key);
    check(key, static_cast<double>(value), range);
    into = value;
  }

 private:
  // Whether there is a value to take. A null takes back what an earlier source said.
  template <class T>
  bool settles(std::optional<T>& into, std::string_view key) const {
    if (values_.values().contains(key) && !values_.has(key)) into.reset();
    return values_.has(key);
  }

  void check(std::string_view key, double value, const Range& range) const {
    const bool is_high_enough = range.includes_low ? value >= range.low : value > range.low;
    if (is_high_enough && value <= range.high) return;
    throw Error(ErrorKind::kConfig, str(values_.origin(), ": ", key, " is ", value, ", expected ",
                                        range.text, "; ", remedy_));
  }

  const HfConfig& values_;
  const std::string remedy_;
};

void read_sampling(GenerationDefaults& into, const HfConfig& values, std::string remedy) {
  constexpr double kMost = std::numeric_limits<double>::max();
  const Reader reader(values, std::move(remedy));
  reader.number(into.repetition_penalty, "repetition_penalty",
                {0, kMost, false, "a number above 0"});
  reader.number(into.temperature, "temperature", {0, kMost, true, "a number from 0"});
  reader.integer(into.top_k, "top_k", {-1, 2147483647, true, "-1, 0 (all) or a count"});
  reader.number(into.top_p, "top_p", {0, 1, false, "a number in (0, 1]"});
  reader.number(into.min_p, "min_p", {0, 1, true, "a number in [0, 1]"});
  reader.integer(into.max_new_tokens, "max_new_tokens", {1, 0x1p53, true, "a number from 1"});
}

// transformers' GenerationConfig cannot tell its own defaults from values that a file states, and
// vLLM takes what differs from them: a file's top_k of 50 counts as not said.
void forget_defaults_of_transformers(GenerationDefaults& defaults) {
  if (defaults.repetition_penalty == 1.0) defaults.repetition_penalty.reset();
  if (defaults.temperature == 1.0) defaults.temperature.reset();
  if (defaults.top_k == 50) defaults.top_k.reset();
  if (defaults.top_p == 1.0) defaults.top_p.reset();
}

std::vector<TokenId> end_tokens(const HfConfig& values) {
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

GenerationDefaults load_generation_defaults(const fs::path& model_folder, const HfConfig& config,
                                            const GenerationOptions& options) {
  GenerationDefaults defaults;
  const auto file = read_file(model_folder, options.source);
  defaults.eos_token_ids = end_tokens(file ? *file : config);
  if (file && !is_neutral(options.source)) {
    read_sampling(defaults, *file, "correct the file or use --generation-config vllm");
    forget_defaults_of_transformers(defaults);
  }
  const HfConfig overrides(options.overrides, kOverride);
  read_sampling(defaults, overrides, "correct the option");
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
