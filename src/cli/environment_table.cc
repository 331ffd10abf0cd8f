#include "cli/environment_table.h"

#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <iterator>

#include "base/error.h"
#include "base/str.h"
#include "cli/settings.h"

namespace pagoda {
namespace {

constexpr auto kWorks = Standing::kWorks;
constexpr auto kNotYet = Standing::kNotYet;

constexpr std::string_view kOnlyImages = "Videos and audio are not possible";
constexpr std::string_view kNothingSent = "Nothing about its use is ever sent anywhere";
constexpr std::string_view kNoProcesses = "Ranks are threads of one process";
constexpr std::string_view kOneHost = "Several hosts are not possible yet";
constexpr std::string_view kNoExperts = "No model of this build has MoE layers";
constexpr std::string_view kAscend = "It configures Ascend devices, and this build has the CPU";
constexpr std::string_view kNoDevice = "This build has the CPU, which has no such list of devices";
constexpr std::string_view kNoLora =
    "LoRA adapters are not possible yet; merge the adapter into the checkpoint";

bool is_true(const std::string& value) {
  return value == "1" || value == "true" || value == "True" || value == "TRUE";
}

// What huggingface_hub takes for true (constants.py, ENV_VARS_TRUE_VALUES).
bool is_hub_true(const std::string& value) {
  constexpr const char* kWords[] = {"1", "on", "yes", "true"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](const char* word) { return strcasecmp(value.c_str(), word) == 0; });
}

constexpr int64_t kDay = int64_t{24} * 60 * 60;
constexpr int64_t kMostGib = int64_t{1} << 30;

int64_t whole_number(std::string_view name, const std::string& value) {
  int64_t number = 0;
  const char* const last = value.data() + value.size();
  const auto [end, fault] = std::from_chars(value.data(), last, number);
  if (fault != std::errc{} || end != last || number < 0) {
    throw Error(ErrorKind::kConfig,
                str(name, ": \"", value, "\" is not a whole number of 0 or more"));
  }
  return number;
}

void apply_api_key(Settings& s, const std::string& value) {
  if (!value.empty()) s.server.access.api_keys = {value};
}

void apply_keep_alive(Settings& s, const std::string& value) {
  s.server.limits.keep_alive =
      std::chrono::seconds(whole_number("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", value));
}

void apply_log_level(Settings& s, const std::string& value) {
  if (value == "DEBUG") {
    s.log.level = LogLevel::kDebug;
  } else if (value == "INFO") {
    s.log.level = LogLevel::kInfo;
  } else if (value == "WARNING" || value == "WARN") {
    s.log.level = LogLevel::kWarning;
  } else if (value == "ERROR" || value == "CRITICAL" || value == "FATAL") {
    s.log.level = LogLevel::kError;
  } else {
    throw Error(ErrorKind::kConfig, str("VLLM_LOGGING_LEVEL: \"", value,
                                        "\" is not a level; choose DEBUG, INFO, WARNING or ERROR"));
  }
}

// vLLM takes whole GiB; 0 leaves the size to the engine.
void apply_kv_space(Settings& s, const std::string& value) {
  const int64_t gib = whole_number("VLLM_CPU_KVCACHE_SPACE", value);
  if (gib > 0) s.engine.cache.space_bytes = gib << 30;
}

int64_t positive_number(std::string_view name, const std::string& value) {
  const int64_t number = whole_number(name, value);
  if (number > 0) return number;
  throw Error(ErrorKind::kConfig, str(name, ": 0 leaves nothing; write 1 or more"));
}

void apply_image_timeout(Settings& s, const std::string& value) {
  s.server.pictures.fetch_timeout =
      std::chrono::seconds(std::min(positive_number("VLLM_IMAGE_FETCH_TIMEOUT", value), kDay));
}

void apply_picture_memory(Settings& s, const std::string& value) {
  const int64_t gib = std::min(positive_number("VLLM_MM_INPUT_CACHE_GIB", value), kMostGib);
  s.server.pictures.max_kept_bytes = gib << 30;
}

void apply_omp_threads(Settings& s, const std::string& value) {
  s.engine.parallel.threads = static_cast<int>(whole_number("OMP_NUM_THREADS", value));
}

// One trust for all that is fetched: models and pictures.
void apply_certificates(Settings& s, const std::string& value) {
  s.hub.ca_file = value;
  s.server.pictures.ca_file = value;
}

constexpr VariableRow kRows[] = {
    // Where weights come from.
    {.name = "VLLM_USE_MODELSCOPE",
     .default_value = "False",
     .help = "true: models come from ModelScope, not from Hugging Face",
     .standing = kWorks,
     .apply =
         [](Settings& s, const std::string& v) {
           s.hub.modelscope = v.size() == 4 && strncasecmp(v.c_str(), "true", 4) == 0;
         }},
    {.name = "MODELSCOPE_CACHE",
     .default_value = "~/.cache/modelscope/hub",
     .help = "cache folder of ModelScope",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.modelscope_cache = v; }},
    {.name = "HF_HOME",
     .default_value = "~/.cache/huggingface",
     .help = "folder of Hugging Face's cache (hub/ in it)",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.hf_home = v; }},
    // Variables are applied in the order of their names: HF_HUB_CACHE was before.
    {.name = "HUGGINGFACE_HUB_CACHE",
     .help = "older name of HF_HUB_CACHE, which wins",
     .standing = kWorks,
     .apply =
         [](Settings& s, const std::string& v) {
           if (s.hub.hf_hub_cache.empty()) s.hub.hf_hub_cache = v;
         }},
    {.name = "HF_HUB_CACHE",
     .default_value = "$HF_HOME/hub",
     .help = "Hugging Face's cache",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.hf_hub_cache = v; }},
    {.name = "HUGGING_FACE_HUB_TOKEN",
     .help = "older name of HF_TOKEN, which wins",
     .standing = kWorks,
     .apply =
         [](Settings& s, const std::string& v) {
           if (s.hub.hf_token.empty()) s.hub.hf_token = v;
         }},
    {.name = "HF_TOKEN",
     .help = "token for Hugging Face, where --hf-token is not given",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.hf_token = v; }},
    {.name = "HF_HUB_OFFLINE",
     .default_value = "0",
     .help = "1: nothing is downloaded",
     .standing = kWorks,
     .apply =
         [](Settings& s, const std::string& v) {
           if (is_hub_true(v)) s.hub.offline_variable = "HF_HUB_OFFLINE";
         }},
    {.name = "TRANSFORMERS_OFFLINE",
     .default_value = "0",
     .help = "the same",
     .standing = kWorks,
     .apply =
         [](Settings& s, const std::string& v) {
           if (is_hub_true(v)) s.hub.offline_variable = "TRANSFORMERS_OFFLINE";
         }},
    {.name = "HF_ENDPOINT",
     .default_value = "https://huggingface.co",
     .help = "where Hugging Face is",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.hf_endpoint = v; }},
    {.name = "MODELSCOPE_DOMAIN",
     .default_value = "www.modelscope.cn",
     .help = "where ModelScope is",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.modelscope_domain = v; }},
    {.name = "MODELSCOPE_ENDPOINT",
     .default_value = "https://www.modelscope.cn",
     .help = "the same, and wins",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.modelscope_domain = v; }},
    {.name = "MODELSCOPE_API_TOKEN",
     .help = "token for ModelScope",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.modelscope_token = v; }},
    {.name = "REQUESTS_CA_BUNDLE",
     .help = "file of certificates that downloads of models and pictures trust",
     .standing = kWorks,
     .apply = apply_certificates},
    {.name = "SSL_CERT_FILE",
     .help = "the same, and wins",
     .standing = kWorks,
     .apply = apply_certificates},
    {.name = "VLLM_MODEL_REDIRECT_PATH",
     .help = "file that maps model names to folders: a JSON object, or lines of name and folder",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.redirect_path = v; }},
    {.name = "XDG_CACHE_HOME",
     .default_value = "~/.cache",
     .help = "where Hugging Face's cache is",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.xdg_cache_home = v; }},
    {.name = "HOME",
     .help = "where the cache folders are",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.hub.home = v; }},
    {.name = "VLLM_CACHE_ROOT",
     .default_value = "~/.cache/vllm",
     .help = "cache of compiled code",
     .note = "Nothing is compiled here"},
    {.name = "VLLM_CONFIG_ROOT",
     .default_value = "~/.config/vllm",
     .help = "folder of configuration files",
     .note = "There are no such files here"},
    // The server.
    {.name = "VLLM_API_KEY",
     .help = "the bearer token that /v1 routes ask for, where --api-key is not given",
     .standing = kWorks,
     .apply = apply_api_key},
    {.name = "VLLM_HTTP_TIMEOUT_KEEP_ALIVE",
     .default_value = "5",
     .help = "seconds that an idle connection stays open",
     .standing = kWorks,
     .apply = apply_keep_alive},
    {.name = "VLLM_SERVER_DEV_MODE",
     .default_value = "0",
     .help = "1: routes for development (/server_info, /reset_prefix_cache)",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.server.server_dev_mode = is_true(v); }},
    {.name = "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH",
     .default_value = "0",
     .help = "1: the server goes on (and says so at /health) when the engine has failed",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.keep_alive_on_engine_death = is_true(v); }},
    {.name = "VLLM_DEBUG_LOG_API_SERVER_RESPONSE",
     .default_value = "False",
     .help = "log answers",
     .note = "Answers are not written to the log here"},
    {.name = "VLLM_TORCH_PROFILER_DIR",
     .help = "folder for profiles; adds /start_profile",
     .standing = kNotYet,
     .note = "There is no PyTorch here to profile; unset it (perf shows where time goes)"},
    {.name = "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
     .default_value = "False",
     .help = "routes that load LoRA adapters",
     .standing = kNotYet,
     .note = kNoLora},
    {.name = "VLLM_LORA_RESOLVER_CACHE_DIR",
     .help = "folder where LoRA adapters are found",
     .standing = kNotYet,
     .note = kNoLora},
    {.name = "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
     .default_value = "0",
     .help = "1: --max-model-len may be more than the model was made for",
     .standing = kWorks,
     .apply = [](Settings& s,
                 const std::string& v) { s.engine.model.allow_long_max_model_len = is_true(v); }},
    {.name = "VLLM_TOOL_PARSE_REGEX_TIMEOUT_SECONDS",
     .default_value = "1",
     .help = "for parsers of tool calls that use regular expressions",
     .note = "Tool calls are parsed without regular expressions here"},
    {.name = "VLLM_IMAGE_FETCH_TIMEOUT",
     .default_value = "5",
     .help = "seconds that fetching an image of a request may take",
     .standing = kWorks,
     .apply = apply_image_timeout},
    {.name = "VLLM_VIDEO_FETCH_TIMEOUT",
     .default_value = "30",
     .help = "seconds",
     .note = kOnlyImages},
    {.name = "VLLM_AUDIO_FETCH_TIMEOUT",
     .default_value = "10",
     .help = "seconds",
     .note = kOnlyImages},
    {.name = "VLLM_MM_INPUT_CACHE_GIB",
     .default_value = "4",
     .help = "GiB that the images of all requests may take before they are encoded; beyond, "
             "requests with images get status 429",
     .standing = kWorks,
     .apply = apply_picture_memory},
    {.name = "VLLM_XGRAMMAR_CACHE_MB",
     .default_value = "512",
     .help = "cache of compiled grammars",
     .note = "Guided decoding is not possible yet"},
    // The log.
    {.name = "VLLM_LOGGING_LEVEL",
     .default_value = "INFO",
     .help = "DEBUG, INFO, WARNING or ERROR",
     .standing = kWorks,
     .apply = apply_log_level},
    {.name = "VLLM_LOGGING_PREFIX",
     .help = "text before every line of the log",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.log.prefix = v; }},
    {.name = "VLLM_CONFIGURE_LOGGING",
     .default_value = "1",
     .help = "0: leave Python's logging as it is",
     .note = "It configures Python's logging"},
    {.name = "VLLM_LOGGING_CONFIG_PATH",
     .help = "Python logging configuration",
     .note = "It configures Python's logging; VLLM_LOGGING_LEVEL and --log-format act here"},
    {.name = "VLLM_NO_USAGE_STATS", .default_value = "0", .help = "", .note = kNothingSent},
    {.name = "VLLM_DO_NOT_TRACK", .default_value = "0", .help = "", .note = kNothingSent},
    {.name = "DO_NOT_TRACK", .default_value = "0", .help = "", .note = kNothingSent},
    // The engine.
    {.name = "VLLM_USE_V1",
     .default_value = "1",
     .help = "which engine",
     .note = "There is one engine here, which does what V1 does"},
    {.name = "VLLM_ATTENTION_BACKEND",
     .help = "library of attention",
     .note = "Each backend has one attention here"},
    {.name = "VLLM_MLA_DISABLE",
     .default_value = "0",
     .help = "no latent attention",
     .note = "No model of this build has latent attention"},
    {.name = "VLLM_WORKER_MULTIPROC_METHOD",
     .default_value = "fork",
     .help = "how workers start",
     .note = kNoProcesses},
    {.name = "VLLM_ENGINE_ITERATION_TIMEOUT_S",
     .default_value = "60",
     .help = "seconds",
     .note = "It belongs to vLLM's V0 engine"},
    {.name = "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS",
     .default_value = "300",
     .help = "seconds",
     .note = kNoProcesses},
    {.name = "VLLM_RPC_TIMEOUT",
     .default_value = "10000",
     .help = "milliseconds",
     .note = "API and engine are in one process, which needs no calls between them"},
    {.name = "VLLM_SLEEP_WHEN_IDLE",
     .default_value = "0",
     .help = "1: an idle server uses no CPU",
     .note = "An idle server never uses CPU here"},
    {.name = "VLLM_DISABLE_COMPILE_CACHE",
     .default_value = "0",
     .help = "",
     .note = "Nothing is compiled here"},
    {.name = "VLLM_PLUGINS", .help = "Python plugins", .note = "There is no Python here"},
    {.name = "VLLM_COMPUTE_NANS_IN_LOGITS",
     .default_value = "0",
     .help = "count NaNs",
     .note = "Not counted here"},
    {.name = "VLLM_PP_LAYER_PARTITION",
     .help = "layers of each pipeline rank",
     .note = "Pipeline parallelism is not possible yet"},
    {.name = "VLLM_SKIP_P2P_CHECK",
     .default_value = "0",
     .help = "",
     .note = "Nothing is checked between devices here"},
    {.name = "PYTHONHASHSEED",
     .help = "makes prefix hashes reproducible",
     .note = "Prefix hashes are the same at every start here"},
    // Several hosts.
    {.name = "VLLM_HOST_IP", .help = "address of this host", .note = kOneHost},
    {.name = "VLLM_PORT", .help = "port between hosts", .note = kOneHost},
    {.name = "VLLM_DP_*", .help = "ranks and addresses of data parallelism", .note = kOneHost},
    {.name = "VLLM_ALL2ALL_BACKEND",
     .default_value = "naive",
     .help = "how tokens get to experts",
     .note = kNoExperts},
    {.name = "VLLM_NIXL_SIDE_CHANNEL_HOST",
     .default_value = "localhost",
     .help = "",
     .note = kOneHost},
    {.name = "VLLM_NIXL_SIDE_CHANNEL_PORT", .default_value = "5557", .help = "", .note = kOneHost},
    // The CPU.
    {.name = "VLLM_CPU_KVCACHE_SPACE",
     .default_value = "0",
     .help = "GiB of KV cache; 0: from free memory (vLLM: 4)",
     .standing = kWorks,
     .apply = apply_kv_space},
    {.name = "VLLM_CPU_OMP_THREADS_BIND",
     .default_value = "auto",
     .help = "cores of the ranks: auto, all, nobind, or one list a rank: 0-31|32-63",
     .standing = kWorks,
     .apply = [](Settings& s, const std::string& v) { s.cores.bind = v; }},
    {.name = "VLLM_CPU_NUM_OF_RESERVED_CPU",
     .default_value = "0",
     .help = "cores that auto leaves to others",
     .standing = kWorks,
     .apply =
         [](Settings& s, const std::string& v) {
           s.cores.reserved = whole_number("VLLM_CPU_NUM_OF_RESERVED_CPU", v);
         }},
    {.name = "OMP_NUM_THREADS",
     .help = "worker threads of each rank, where --cpu-threads is not given",
     .standing = kWorks,
     .apply = apply_omp_threads},
    {.name = "VLLM_CPU_MOE_PREPACK",
     .default_value = "1",
     .help = "pack experts",
     .note = "All weights are packed here"},
    {.name = "VLLM_CPU_SGL_KERNEL",
     .default_value = "0",
     .help = "kernels for small batches",
     .note = "The CPU's kernels are chosen by what it can do (--backend cpu:avx2 forces one)"},
    {.name = "LD_PRELOAD",
     .help = "read by the system's loader, not by Pagoda; tcmalloc or iomp5 are not needed",
     .standing = kWorks},
    // CUDA and Ascend devices.
    {.name = "CUDA_VISIBLE_DEVICES", .help = "CUDA devices to use", .note = kNoDevice},
    {.name = "ASCEND_RT_VISIBLE_DEVICES", .help = "Ascend devices to use", .note = kNoDevice},
    {.name = "PYTORCH_NPU_ALLOC_CONF",
     .help = "PyTorch's allocator on Ascend",
     .note = "It configures PyTorch's allocator; memory is planned once at start here"},
    {.name = "HCCL_*", .help = "collectives of Ascend devices", .note = kAscend},
    {.name = "LCCL_DETERMINISTIC", .help = "deterministic sums", .note = kAscend},
    {.name = "GLOO_SOCKET_IFNAME", .help = "network interface", .note = kOneHost},
    {.name = "TP_SOCKET_IFNAME", .help = "network interface", .note = kOneHost},
    {.name = "ATB_*", .help = "operator library of Ascend", .note = kAscend},
    {.name = "HCCN_PATH", .help = "", .note = kAscend},
    {.name = "SOC_VERSION", .help = "", .note = kAscend},
    {.name = "ASCEND_HOME_PATH", .help = "", .note = kAscend},
    {.name = "COMPILE_CUSTOM_KERNELS", .default_value = "1", .help = "", .note = kAscend},
    {.name = "VLLM_VERSION", .help = "", .note = kAscend},
    {.name = "VLLM_ENABLE_FUSED_EXPERTS_ALLGATHER_EP",
     .default_value = "0",
     .help = "",
     .note = kAscend},
    {.name = "VLLM_ASCEND_*", .help = "switches of vllm-ascend", .note = kAscend},
    {.name = "MOE_ALL2ALL_BUFFER", .default_value = "0", .help = "", .note = kAscend},
    {.name = "USE_OPTIMIZED_MODEL", .default_value = "1", .help = "", .note = kAscend},
    {.name = "LLMDATADIST_COMM_PORT", .default_value = "26000", .help = "", .note = kAscend},
    {.name = "PROMPT_DEVICE_ID", .help = "", .note = kAscend},
    {.name = "DECODE_DEVICE_ID", .help = "", .note = kAscend},
};

}  // namespace

Environment read_environment() {
  Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::span<const VariableRow> all_variables() {
  return kRows;
}

const VariableRow* find_variable(std::string_view name) {
  const VariableRow* family = nullptr;
  for (const VariableRow& row : kRows) {
    if (row.name == name) return &row;
    if (row.name.ends_with('*') && name.starts_with(row.name.substr(0, row.name.size() - 1))) {
      family = &row;
    }
  }
  return family;
}

}  // namespace pagoda
