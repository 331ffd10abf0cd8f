#include "cli/model_files.h"

#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/hub_commands.h"
#include "hub/obtain.h"
#include "load/checkpoint.h"
#include "load/choose_dtype.h"
#include "load/hf_config.h"
#include "load/weight_schemes.h"
#include "models/preprocessor.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const Settings& settings, const std::string& name, const std::string& revision,
                   ModelNeed need) {
  HubOptions hub = settings.hub;
  hub.revision = revision;
  const auto progress = make_download_progress(settings.log.format);
  return obtain_model(name, hub, *progress, need);
}

GenerationOptions generation_options_of(const Settings& settings) {
  GenerationOptions options = settings.generation;
  const bool is_folder =
      options.source != "auto" && options.source != "vllm" && options.source != "pagoda";
  if (is_folder) {
    options.source = folder_of(settings, options.source, "", ModelNeed::kAny).string();
  }
  return options;
}

// As in vLLM, --revision is also that of --hf-config-path, and of the tokenizer where
// --tokenizer-revision names no other.
fs::path config_folder_of(const Settings& settings, const fs::path& folder) {
  const std::string& path = settings.model.hf_config_path;
  return path.empty() ? folder
                      : folder_of(settings, path, settings.hub.revision, ModelNeed::kConfig);
}

// Whether the tokenizer lies in the folder of the model.
bool brings_tokenizer(const Settings& settings) {
  const std::string& revision = settings.tokenizer_revision;
  return settings.model.tokenizer.empty() &&
         (revision.empty() || revision == settings.hub.revision);
}

fs::path tokenizer_folder_of(const Settings& settings) {
  const ModelSettings& model = settings.model;
  return folder_of(
      settings, model.tokenizer.empty() ? model.model : model.tokenizer,
      settings.tokenizer_revision.empty() ? settings.hub.revision : settings.tokenizer_revision,
      ModelNeed::kTokenizer);
}

ModelNeed need_of(const Settings& settings) {
  if (settings.engine.model.load_format == LoadFormat::kDummy) return ModelNeed::kConfig;
  return brings_tokenizer(settings) ? ModelNeed::kWeights : ModelNeed::kWeightsAlone;
}

bool has_weights(const fs::path& folder) {
  const fs::directory_iterator files(folder);
  return std::any_of(begin(files), end(files), [](const fs::directory_entry& entry) {
    return entry.path().extension() == ".safetensors";
  });
}

void require_folder(const std::string& path) {
  if (path.empty()) return;
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  if (fs::is_directory(status)) return;
  throw Error(ErrorKind::kConfig,
              str("Invalid `--allowed-local-media-path`: The path ", path,
                  fs::exists(status) ? " must be a directory." : " does not exist."));
}

// What is known of a model without its weights.
struct ModelBasics {
  const fs::path& folder;
  JsonReader hf;
  const ModelFacts& facts;
  bool may_lack_files;  // all but config.json
};

ModelDefinition definition_of(const HfConfig& config, const ModelSettings& model) {
  require_quantization(config.keys(), model.quantization);
  return define_model(config);
}

// How the model's pictures become patches; none where it sees no pictures.
std::optional<PatchConfig> picture_config(const Settings& settings, const ModelBasics& basics) {
  const ModelSettings& model = settings.model;
  if (!basics.facts.image_token) {
    for (const auto& [name, given] :
         {std::pair("limit_mm_per_prompt", &model.media_limits),
          std::pair("mm_processor_kwargs", &model.processor_arguments)}) {
      if (given->empty()) continue;
      throw Error(ErrorKind::kConfig,
                  str("`", name, "` is only supported for multimodal models. ",
                      basics.facts.architecture, " sees no images; leave the option out"));
    }
    return std::nullopt;
  }
  require_folder(settings.server.pictures.allowed_local_folder);
  const bool is_there = fs::exists(basics.folder / "preprocessor_config.json");
  const PatchConfig config =
      is_there || !basics.may_lack_files ? load_patch_config(basics.folder) : PatchConfig();
  require_fit(config, basics.hf);
  return with_processor_arguments(config, {.values = model.processor_arguments,
                                           .origin = "--mm-processor-kwargs",
                                           .blame = ErrorKind::kConfig});
}

std::optional<ChatTemplate> own_template(const fs::path& tokenizer_folder) {
  try {
    return ChatTemplate::find(tokenizer_folder);
  } catch (const Error& e) {
    throw Error(e.kind(), str(e.what(), "; correct it, or give another by --chat-template"));
  }
}

// `origin`: "file: ", or empty.
ChatTemplate given_template(const std::string& source, const fs::path& tokenizer_folder,
                            const std::string& origin) {
  try {
    return ChatTemplate(source, ChatTemplate::special_tokens_of(tokenizer_folder));
  } catch (const Error& e) {
    throw Error(e.kind(), str("--chat-template: ", origin, e.what(), "; correct it"));
  }
}

}  // namespace

ModelFiles find_model_files(const Settings& settings) {
  const ModelSettings& model = settings.model;
  const bool is_dummy = settings.engine.model.load_format == LoadFormat::kDummy;
  ModelFiles files;
  files.folder = folder_of(settings, model.model, settings.hub.revision, need_of(settings));
  // Where the weights are not needed, the folder may have come without a tokenizer.
  files.tokenizer_folder =
      brings_tokenizer(settings) && !is_dummy ? files.folder : tokenizer_folder_of(settings);
  const fs::path config_folder = config_folder_of(settings, files.folder);
  const HfConfig config = HfConfig::load(config_folder, model.hf_overrides);
  files.definition = definition_of(config, model);
  files.pictures = picture_config(settings, {.folder = files.folder,
                                             .hf = config.keys(),
                                             .facts = files.definition.facts,
                                             .may_lack_files = is_dummy});
  std::unique_ptr<WeightSource> weights;
  if (!is_dummy) weights = open_checkpoint(files.folder);
  files.dtype =
      choose_dtype(model.dtype, config.keys(), is_dummy ? std::nullopt : weights->first_encoding());
  files.weight_bytes = is_dummy ? 0 : weights->total_bytes();
  files.weights = is_dummy ? "random weights" : weights->description();

  const GenerationOptions generation = generation_options_of(settings);
  files.defaults = load_generation_defaults(config_folder, config.keys(), generation);
  log_generation_defaults(files.defaults, generation);
  return files;
}

ModelShapes find_model_shapes(const Settings& settings) {
  const ModelSettings& model = settings.model;
  const fs::path folder =
      folder_of(settings, model.model, settings.hub.revision, ModelNeed::kConfig);
  ModelShapes shapes;
  const HfConfig config = HfConfig::load(config_folder_of(settings, folder), model.hf_overrides);
  shapes.definition = definition_of(config, model);
  shapes.pictures = picture_config(settings, {.folder = folder,
                                              .hf = config.keys(),
                                              .facts = shapes.definition.facts,
                                              .may_lack_files = true});
  const bool is_dummy = settings.engine.model.load_format == LoadFormat::kDummy;
  if (!is_dummy && has_weights(folder)) shapes.files = open_checkpoint(folder);
  shapes.dtype = choose_dtype(model.dtype, config.keys(),
                              shapes.files ? shapes.files->first_encoding() : std::nullopt);
  return shapes;
}

std::optional<ChatTemplate> open_chat_template(const std::string& option,
                                               const fs::path& tokenizer_folder) {
  if (option.empty()) return own_template(tokenizer_folder);
  std::error_code ignored;
  if (fs::is_regular_file(option, ignored)) {
    return given_template(read_text_file(option), tokenizer_folder, option + ": ");
  }
  if (option.find('{') != std::string::npos) return given_template(option, tokenizer_folder, "");
  throw Error(ErrorKind::kConfig, str("The supplied chat template string (", option,
                                      ") appears path-like, but doesn't exist! --chat-template "
                                      "takes a file, or a template in one line."));
}

SamplingDefaults sampling_defaults_of(const GenerationDefaults& from, std::optional<TokenId> eos) {
  SamplingDefaults defaults = {.temperature = from.temperature,
                               .top_p = from.top_p,
                               .min_p = from.min_p,
                               .repetition_penalty = from.repetition_penalty,
                               .top_k = from.top_k,
                               .max_new_tokens = from.max_new_tokens,
                               .stop_token_ids = from.eos_token_ids};
  std::erase_if(defaults.stop_token_ids, [eos](TokenId id) { return id == eos; });
  return defaults;
}

}  // namespace pagoda
