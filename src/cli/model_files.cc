#include "cli/model_files.h"

#include <boost/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path folder_of(const Settings& settings, const std::string& name, const std::string& revision,
                   ModelNeed need) {
  HubOptions hub = settings.hub;
  hub.revision = revision;
  return resolve_model(name, hub, need);
}

DType dtype_of(const Settings& settings, const HfConfig& hf, const WeightSource* weights) {
  std::string stored = hf.text_or("torch_dtype", hf.text_or("dtype", ""));
  if (stored.empty() && weights != nullptr && weights->first_encoding()) {
    stored = name_of(*weights->first_encoding());
  }
  const DType dtype = resolved_dtype(settings.model.dtype, stored);
  if (!stored.empty() && stored != name_of(dtype)) {
    LOG_INFO("Casting torch.{} to torch.{}.", stored, name_of(dtype));
  }
  return dtype;
}

json::object object_in(const fs::path& file) {
  boost::system::error_code fault;
  const json::value value = json::parse(read_text_file(file), fault);
  if (fault || !value.is_object()) {
    throw Error(ErrorKind::kConfig, str(file.string(), ": is not a JSON object",
                                        fault ? str(" (", fault.message(), ")") : std::string(),
                                        "; mend it, or go without it: --generation-config vllm"));
  }
  return value.as_object();
}

std::optional<double> number_in(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_number()) {
    throw Error(ErrorKind::kConfig,
                str("generation_config.json: ", key, ": ", to_json(*value), " is not a number"));
  }
  return value->to_number<double>();
}

std::optional<int64_t> integer_in(const json::object& object, std::string_view key) {
  const auto number = number_in(object, key);
  return number ? std::optional(static_cast<int64_t>(*number)) : std::nullopt;
}

// What vLLM calls differing sampling parameters: the keys that act, in its order.
json::object acting_keys(const json::object& generation_config) {
  json::object acting;
  for (const std::string_view key :
       {"repetition_penalty", "temperature", "top_k", "top_p", "min_p", "max_new_tokens"}) {
    const json::value* value = generation_config.if_contains(key);
    if (value != nullptr && !value->is_null()) {
      acting[key == "max_new_tokens" ? "max_tokens" : key] = *value;
    }
  }
  return acting;
}

}  // namespace

ModelFiles find_model_files(const Settings& settings) {
  const ModelSettings& model = settings.model;
  const bool is_dummy = settings.engine.model.load_format == LoadFormat::kDummy;
  ModelFiles files;
  files.folder = folder_of(settings, model.model, settings.hub.revision,
                           is_dummy ? ModelNeed::kConfig : ModelNeed::kWeights);
  files.tokenizer_folder =
      model.tokenizer.empty()
          ? files.folder
          : folder_of(settings, model.tokenizer, settings.tokenizer_revision, ModelNeed::kAny);
  const fs::path config_folder =
      model.hf_config_path.empty() ? files.folder
                                   : folder_of(settings, model.hf_config_path, "", ModelNeed::kAny);
  files.hf = HfConfig::load(config_folder, model.hf_overrides);
  files.facts = facts_of(files.hf);
  std::unique_ptr<WeightSource> weights;
  if (!is_dummy) weights = open_checkpoint(files.folder);
  files.dtype = dtype_of(settings, files.hf, weights.get());
  files.weight_bytes = is_dummy ? 0 : weights->total_bytes();
  files.weights = is_dummy ? "random weights" : weights->description();
  return files;
}

DType resolved_dtype(std::string_view asked, std::string_view stored) {
  if (asked == "auto") return stored == "bfloat16" ? DType::kBF16 : DType::kF16;
  if (asked == "bfloat16") return DType::kBF16;
  return asked == "float" || asked == "float32" ? DType::kF32 : DType::kF16;
}

std::optional<ChatTemplate> open_chat_template(const std::string& option,
                                               const fs::path& tokenizer_folder) {
  if (option.empty()) return ChatTemplate::find(tokenizer_folder);
  const json::object special_tokens = ChatTemplate::special_tokens_of(tokenizer_folder);
  std::error_code ignored;
  if (fs::is_regular_file(option, ignored)) {
    return ChatTemplate(read_text_file(option), special_tokens);
  }
  if (option.find('{') != std::string::npos) return ChatTemplate(option, special_tokens);
  throw Error(ErrorKind::kConfig, str("The supplied chat template string (", option,
                                      ") appears path-like, but doesn't exist! --chat-template "
                                      "takes a file, or a template in one line."));
}

SamplingDefaults sampling_defaults_of(const json::object& config, std::optional<TokenId> eos) {
  SamplingDefaults defaults;
  defaults.temperature = number_in(config, "temperature");
  defaults.top_p = number_in(config, "top_p");
  defaults.min_p = number_in(config, "min_p");
  defaults.repetition_penalty = number_in(config, "repetition_penalty");
  defaults.top_k = integer_in(config, "top_k");
  defaults.max_new_tokens = integer_in(config, "max_new_tokens");
  const json::value* ends = config.if_contains("eos_token_id");
  const json::array list = ends == nullptr || ends->is_null() ? json::array()
                           : ends->is_array()                 ? ends->as_array()
                                                              : json::array{*ends};
  for (const json::value& id : list) {
    if (!id.is_int64()) continue;
    const TokenId token(static_cast<int32_t>(id.as_int64()));
    if (token != eos) defaults.stop_token_ids.push_back(token);
  }
  return defaults;
}

json::object generation_config_of(const Settings& settings, const fs::path& model_folder) {
  const ModelSettings& model = settings.model;
  const bool is_named = model.generation_config != "auto" && model.generation_config != "vllm";
  const fs::path file =
      (is_named ? folder_of(settings, model.generation_config, "", ModelNeed::kAny)
                : model_folder) /
      "generation_config.json";
  json::object config;
  if (std::error_code ignored; is_named || fs::exists(file, ignored)) config = object_in(file);
  if (model.generation_config == "vllm") {
    // vLLM's neutral defaults; the model's end tokens stay.
    for (const auto& [key, value] : acting_keys(config)) {
      config.erase(key == "max_tokens" ? "max_new_tokens" : std::string_view(key));
    }
  }
  for (const auto& [key, value] : model.override_generation_config) config[key] = value;
  const json::object acting = acting_keys(config);
  if (acting.empty()) return config;
  LOG_WARNING(
      "Default sampling parameters have been overridden by the model's Hugging Face generation "
      "config recommended from the model creator. If this is not intended, please relaunch vLLM "
      "instance with `--generation-config vllm`.");
  LOG_INFO("Using default chat and completion sampling params from model: {}",
           to_json(acting, kPythonStyle));
  return config;
}

}  // namespace pagoda
