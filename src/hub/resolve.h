// Finds a model that is on this machine already: a folder, or a name in the caches that Hugging
// Face's and ModelScope's own tools fill.
//
// Thread rule: pure functions of their arguments and the file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

// What the environment and the command line say. Empty: not set.
struct HubOptions {
  bool modelscope = false;       // VLLM_USE_MODELSCOPE: its caches are searched first
  std::string revision;          // --revision: a branch, tag or commit
  std::string download_dir;      // --download-dir: searched first, in both forms
  std::string redirect_path;     // VLLM_MODEL_REDIRECT_PATH
  std::string hf_hub_cache;      // HF_HUB_CACHE
  std::string hf_home;           // HF_HOME
  std::string modelscope_cache;  // MODELSCOPE_CACHE
  std::string xdg_cache_home;    // XDG_CACHE_HOME
  std::string home;              // HOME
};

// What the caller is going to read from the folder.
enum class ModelNeed : uint8_t {
  kWeights,  // config.json and *.safetensors
  kConfig,   // config.json: --load-format dummy
  kAny,      // --tokenizer, --hf-config-path: whatever is there
};

// The folder of `name`: where the redirect file sends it, a local folder, or its newest download.
// Throws kConfig where there is none, saying where it was looked for and which names there are
// like it; or where the folder lacks what is needed.
std::filesystem::path resolve_model(std::string_view name, const HubOptions& options,
                                    ModelNeed need = ModelNeed::kWeights);

// The folders that are searched for a name, in order, existing or not: for messages and downloads.
std::vector<std::filesystem::path> cache_folders(const HubOptions& options);

}  // namespace pagoda
