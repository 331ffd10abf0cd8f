// The files of the model to serve: found or downloaded, and what they say before any weight is
// read.
//
// Thread rule: pure functions of the settings and the file system, but for downloads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "api/service_parts.h"
#include "cli/settings.h"
#include "load/checkpoint.h"
#include "load/generation_config.h"
#include "models/model_definition.h"

namespace pagoda {

struct ModelFiles {
  std::filesystem::path folder;
  std::filesystem::path tokenizer_folder;
  ModelDefinition definition;
  DType dtype = DType::kBF16;
  int64_t weight_bytes = 0;  // of the files; 0: there are none
  std::string weights;       // "3 safetensors files, 15.2 GB"
  GenerationDefaults defaults;
  std::optional<PatchConfig> pictures;  // where the model sees them
};

// Downloads what is not on this machine. Throws kConfig and kCheckpoint for whatever can be found
// wrong without reading weights, kDevice for the network.
ModelFiles find_model_files(const Settings& settings);

// What can be known of a model without its weights.
struct ModelShapes {
  ModelDefinition definition;
  DType dtype = DType::kBF16;
  std::unique_ptr<WeightSource> files;  // headers of the weights; null: they are not here
  std::optional<PatchConfig> pictures;  // where the model sees them; defaults for what is not here
};

// Downloads config.json at most. Throws as find_model_files().
ModelShapes find_model_shapes(const Settings& settings);

// --chat-template, or the model's own; none where there is neither.
std::optional<ChatTemplate> open_chat_template(const std::string& option,
                                               const std::filesystem::path& tokenizer_folder);

// `eos` ends requests anyway.
SamplingDefaults sampling_defaults_of(const GenerationDefaults& defaults,
                                      std::optional<TokenId> eos);

}  // namespace pagoda
