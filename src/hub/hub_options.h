// What the callers of this folder say: which caches and hubs, how the network is used, and what of
// a model is needed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace pagoda {

// How the network is used. The defaults are what people want; tests want less waiting.
struct HubNetwork {
  int connections = 8;                        // at the same time
  int64_t piece_bytes = 128LL << 20;          // of a file, each by a request of its own
  int attempts = 6;                           // without a byte of progress between them
  int64_t first_wait_ms = 1000;               // doubled with each attempt
  int64_t longest_wait_ms = 30'000;           // of those
  int64_t longest_told_wait_ms = 300'000;     // of what a server asks for by Retry-After
  int64_t lock_poll_ms = 500;                 // while another process downloads the same model
  std::function<void(int64_t ms)> wait = {};  // empty: sleeps
  std::function<bool()> is_cancelled = {};  // asked often, from any thread; true ends with an Error
  bool environment_proxy = true;            // http_proxy, https_proxy, no_proxy
};

// What the environment and the command line say. Empty: not set.
struct HubOptions {
  bool modelscope = false;    // VLLM_USE_MODELSCOPE: its caches are searched first
  std::string revision;       // --revision: a branch, tag or commit
  std::string download_dir;   // --download-dir: searched first, in both forms
  std::string redirect_path;  // VLLM_MODEL_REDIRECT_PATH
  // Of these, "~" at the beginning is `home`.
  std::string hf_hub_cache;      // HF_HUB_CACHE
  std::string hf_home;           // HF_HOME
  std::string modelscope_cache;  // MODELSCOPE_CACHE
  std::string xdg_cache_home;    // XDG_CACHE_HOME
  std::string home;              // HOME

  // For downloads.
  std::string hf_endpoint;        // HF_ENDPOINT: a URL
  std::string hf_token;           // HF_TOKEN, --hf-token; else the file that `hf auth login` leaves
  std::string modelscope_domain;  // MODELSCOPE_DOMAIN: a host, or a URL with its scheme
  std::string modelscope_token;   // MODELSCOPE_API_TOKEN
  std::string offline_variable;   // name of what forbids the network, such as HF_HUB_OFFLINE
  std::string ca_file;            // SSL_CERT_FILE, REQUESTS_CA_BUNDLE: certificates to trust
  HubNetwork network = {};
};

// What the caller is going to read from the folder.
enum class ModelNeed : uint8_t {
  kWeights,       // config.json, *.safetensors and the tokenizer
  kWeightsAlone,  // the same without the tokenizer: --tokenizer names another
  kConfig,        // config.json: --load-format dummy, --hf-config-path
  kTokenizer,     // --tokenizer
  kAny,           // --generation-config: whatever is there
};

}  // namespace pagoda
