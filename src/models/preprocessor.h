// preprocessor_config.json of models that see pictures, and what is laid over it: how a picture
// becomes patches. Reads what transformers' Qwen2VLImageProcessor reads, with its defaults, and
// refuses what would make other patches than ours.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/json_reader.h"
#include "vision/patches.h"

namespace pagoda {

// <folder>/preprocessor_config.json. Throws kConfig naming file, key, value and what is possible.
PatchConfig load_patch_config(const std::filesystem::path& folder);

// Throws kConfig where vision_config of config.json means other patches than `config`.
void require_fit(const PatchConfig& config, const JsonReader& hf);

// Who gave processor arguments, for messages: --mm-processor-kwargs, or a request's
// mm_processor_kwargs.
struct ProcessorArguments {
  const boost::json::object& values;
  std::string origin;
  ErrorKind blame;
};
// Lays them over `config`: min_pixels and max_pixels, or size {shortest_edge, longest_edge}.
PatchConfig with_processor_arguments(PatchConfig config, const ProcessorArguments& arguments);

}  // namespace pagoda
