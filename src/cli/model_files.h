// The files of the model to serve: where they are, and what they say before any weight is read.
//
// Thread rule: pure functions of the settings and the file system.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "api/server.h"
#include "cli/settings.h"
#include "load/checkpoint.h"
#include "models/model.h"

namespace pagoda {

struct ModelFiles {
  std::filesystem::path folder;
  std::filesystem::path tokenizer_folder;
  HfConfig hf;
  ModelFacts facts;
  DType dtype = DType::kBF16;
  int64_t weight_bytes = 0;  // of the files; 0: there are none
  std::string weights;       // "3 safetensors files, 15.2 GB"
};

// Throws kConfig and kCheckpoint for whatever can be found wrong without reading weights.
ModelFiles find_model_files(const Settings& settings);

// --dtype, as vLLM resolves it: auto is the checkpoint's, but float16 for one in float32.
// `stored` is torch_dtype of config.json, or the dtype of the tensors; empty: unknown.
DType resolved_dtype(std::string_view asked, std::string_view stored);

// --chat-template, or the model's own; none where there is neither.
std::optional<ChatTemplate> open_chat_template(const std::string& option,
                                               const std::filesystem::path& tokenizer_folder);

// --generation-config and --override-generation-config. `eos` ends requests anyway.
SamplingDefaults sampling_defaults_of(const boost::json::object& generation_config,
                                      std::optional<TokenId> eos);
boost::json::object generation_config_of(const Settings& settings,
                                         const std::filesystem::path& model_folder);

}  // namespace pagoda
