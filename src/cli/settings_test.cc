#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/option_value.h"
#include "cli/settings_of.h"

namespace pagoda {
namespace {

using Arguments = std::vector<std::string>;

SettingsAndRemarks result_of(const Arguments& arguments, const Environment& environment = {}) {
  return settings_of(parse_options(arguments, EntryPoint::kServe), environment);
}

Settings settings(const Arguments& arguments, const Environment& environment = {}) {
  return result_of(arguments, environment).settings;
}

std::string refusal_of(const Arguments& arguments, const Environment& environment = {}) {
  try {
    result_of(arguments, environment);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kConfig);
    return e.what();
  }
  return "accepted";
}

TEST_CASE("no two options share a name or an alias, and every default is a value of its option") {
  std::set<std::string> names;
  for (const OptionRow* row : all_options()) {
    CAPTURE(row->name);
    CHECK(names.insert(std::string(row->name)).second);
    if (!row->aliases.empty()) CHECK(names.insert(std::string(row->aliases)).second);
    CHECK_NOTHROW(default_of(*row));
    CHECK((row->type == ValueType::kFlag) == row->value_name.empty());
  }
}

TEST_CASE("certificates that are to be trusted count for models and pictures alike") {
  const Settings s = settings({}, {{"REQUESTS_CA_BUNDLE", "a"}, {"SSL_CERT_FILE", "b"}});
  CHECK(s.hub.ca_file == "b");
  CHECK(s.server.pictures.ca_file == "b");
  CHECK(settings({}, {{"REQUESTS_CA_BUNDLE", "a"}}).server.pictures.ca_file == "a");
}

TEST_CASE("older names of a hub's variables are known, and the newer ones win") {
  const Environment older = {{"HUGGINGFACE_HUB_CACHE", "/old"},
                             {"HUGGING_FACE_HUB_TOKEN", "old"},
                             {"MODELSCOPE_DOMAIN", "old.example"}};
  CHECK(settings({}, older).hub.hf_hub_cache == "/old");
  CHECK(settings({}, older).hub.hf_token == "old");
  CHECK(settings({}, older).hub.modelscope_domain == "old.example");
  Environment both = older;
  both.insert({{"HF_HUB_CACHE", "/new"},
               {"HF_TOKEN", "new"},
               {"MODELSCOPE_ENDPOINT", "https://new.example"}});
  CHECK(settings({}, both).hub.hf_hub_cache == "/new");
  CHECK(settings({}, both).hub.hf_token == "new");
  CHECK(settings({}, both).hub.modelscope_domain == "https://new.example");
}

TEST_CASE("offline is what huggingface_hub takes for it") {
  for (const char* yes : {"1", "true", "YES", "On"}) {
    CHECK(settings({}, {{"HF_HUB_OFFLINE", yes}}).hub.offline_variable == "HF_HUB_OFFLINE");
  }
  for (const char* no : {"", "0", "no", "offline"}) {
    CHECK(settings({}, {{"TRANSFORMERS_OFFLINE", no}}).hub.offline_variable == "");
  }
}

TEST_CASE("no two environment variables share a name") {
  std::set<std::string_view> names;
  for (const VariableRow& row : all_variables()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK((row.standing == Standing::kWorks) == row.note.empty());
  }
}

TEST_CASE("defaults are those of vLLM on a CPU") {
  const Settings s = settings({});
  CHECK(s.server.listen.port == 8000);
  CHECK(s.server.listen.host.empty());
  CHECK(s.engine.backend == "cpu");
  CHECK(s.engine.scheduler.max_step_tokens == 2048);
  CHECK(s.engine.scheduler.max_sequences == 32);
  CHECK(s.engine.scheduler.prefix_caching);
  CHECK(s.engine.scheduler.chunked_prefill);
  CHECK(s.engine.cache.block_size == 16);
  CHECK(s.engine.cache.memory_utilization == doctest::Approx(0.9));
  CHECK(!s.engine.model.max_model_len.has_value());
  CHECK(s.server.openai.max_logprobs == 20);
  CHECK(s.server.limits.max_body_bytes == size_t{64} << 20);
  CHECK(s.shutdown_grace == std::chrono::seconds(30));
  CHECK(s.generation.source == "auto");
}

TEST_CASE("options go where they belong") {
  const Settings s = settings({"folder",
                               "--port",
                               "8002",
                               "--max-model-len",
                               "32K",
                               "-tp",
                               "4",
                               "--max-num-seqs",
                               "7",
                               "--no-enable-prefix-caching",
                               "--scheduling-policy",
                               "priority",
                               "--dtype",
                               "float32",
                               "--served-model-name",
                               "a",
                               "b",
                               "--load-format",
                               "dummy",
                               "--disable-log-requests",
                               "--reasoning-parser",
                               "qwen3",
                               "--shutdown-grace",
                               "0.5",
                               "--num-gpu-blocks-override",
                               "12"});
  CHECK(s.model.model == "folder");
  CHECK(s.server.listen.port == 8002);
  CHECK(s.engine.model.max_model_len == 32768);
  CHECK(s.engine.parallel.tensor_parallel_size == 4);
  CHECK(s.engine.scheduler.max_sequences == 7);
  CHECK(!s.engine.scheduler.prefix_caching);
  CHECK(s.engine.scheduler.policy == SchedulingPolicy::kPriority);
  CHECK(s.model.dtype == "float32");
  CHECK(s.server.openai.served_model_names == std::vector<std::string>{"a", "b"});
  CHECK(s.engine.model.load_format == LoadFormat::kDummy);
  CHECK(!s.server.log.requests);
  CHECK(s.server.openai.reasoning_parser == "qwen3");
  CHECK(s.shutdown_grace == std::chrono::milliseconds(500));
  CHECK(s.engine.cache.num_blocks_override == 12);
}

TEST_CASE("TLS needs a certificate, and asking clients for theirs needs who signs them") {
  const TlsConfig tls =
      settings({"m", "--ssl-certfile", "c", "--ssl-keyfile", "k", "--ssl-ca-certs", "a",
                "--ssl-cert-reqs", "2", "--enable-ssl-refresh"})
          .server.tls;
  CHECK(tls.is_on());
  CHECK(tls.file_of_key() == "k");
  CHECK(tls.ca_file == "a");
  CHECK(tls.client == ClientCertificate::kRequired);
  CHECK(tls.refresh);
  CHECK(settings({"m", "--ssl-certfile", "c"}).server.tls.file_of_key() == "c");
  CHECK_FALSE(settings({"m"}).server.tls.is_on());
  CHECK(refusal_of({"m", "--ssl-keyfile", "k"}) ==
        "--ssl-keyfile needs --ssl-certfile, the certificate that the key belongs to");
  CHECK(refusal_of({"m", "--ssl-cert-reqs", "2"}) ==
        "--ssl-cert-reqs needs --ssl-certfile and --ssl-keyfile: without them the server speaks "
        "plain HTTP, and clients show no certificates");
  CHECK(refusal_of({"m", "--ssl-certfile", "c", "--ssl-cert-reqs", "1"}) ==
        "--ssl-cert-reqs needs --ssl-ca-certs, those that clients' certificates are signed with");
  CHECK(result_of({"m", "--ssl-certfile", "c", "--ssl-ca-certs", "a"}).remarks.size() == 1);
  CHECK(result_of({"m", "--enable-ssl-refresh"}).remarks.size() == 1);
}

TEST_CASE("an empty value does not open a server that shall be closed") {
  for (const std::string option : {"--api-key", "--ssl-certfile", "--ssl-keyfile"}) {
    CHECK(refusal_of({"m", option, ""}) ==
          option +
              ": is empty, and the server would be open; give a value or leave the option out");
  }
}

TEST_CASE("a root path without a slash in front means the same as with one") {
  CHECK(settings({"m", "--root-path", "llm"}).server.root_path == "/llm");
  CHECK(settings({"m", "--root-path", "/llm"}).server.root_path == "/llm");
  CHECK(settings({"m", "--root-path", ""}).server.root_path.empty());
}

TEST_CASE("rotary options are laid over config.json together with --hf-overrides") {
  const Settings s = settings({"--rope-scaling", R"({"factor": 4})", "--rope-theta", "1e6",
                               "--hf-overrides.num_layers", "2"});
  CHECK(boost::json::serialize(s.model.hf_overrides) ==
        R"({"rope_scaling":{"factor":4},"rope_theta":1E6,"num_layers":2})");
}

TEST_CASE("variables act, and options win over them") {
  const Environment environment = {{"VLLM_API_KEY", "from-environment"},
                                   {"VLLM_CPU_KVCACHE_SPACE", "3"},
                                   {"OMP_NUM_THREADS", "5"},
                                   {"VLLM_USE_MODELSCOPE", "TRUE"},
                                   {"HF_HUB_OFFLINE", "1"},
                                   {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "9"},
                                   {"VLLM_LOGGING_LEVEL", "ERROR"},
                                   {"VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1"}};
  const Settings s = settings({}, environment);
  CHECK(s.server.access.api_keys == std::vector<std::string>{"from-environment"});
  CHECK(s.engine.cache.space_bytes == int64_t{3} << 30);
  CHECK(s.engine.parallel.threads == 5);
  CHECK(s.hub.modelscope);
  CHECK(s.hub.offline_variable == "HF_HUB_OFFLINE");
  CHECK(s.server.limits.keep_alive == std::chrono::seconds(9));
  CHECK(s.log.level == LogLevel::kError);
  CHECK(s.engine.model.allow_long_max_model_len);
  const Settings t = settings({"--api-key", "typed", "--cpu-threads", "2"}, environment);
  CHECK(t.server.access.api_keys == std::vector<std::string>{"typed"});
  CHECK(t.engine.parallel.threads == 2);
}

TEST_CASE("what has no meaning is accepted with one line that says why") {
  const auto result = result_of({"m", "--enforce-eager", "--swap-space", "8", "-O3"},
                                {{"PYTORCH_NPU_ALLOC_CONF", "max_split_size_mb:256"}});
  CHECK(
      result.remarks ==
      std::vector<std::string>{
          "PYTORCH_NPU_ALLOC_CONF max_split_size_mb:256 has no effect: It configures PyTorch's "
          "allocator; memory is planned once at start here.",
          "--enforce-eager has no effect: Nothing is compiled or captured here.",
          "--swap-space 8.0 has no effect: A preempted sequence is computed again, as in vLLM's V1 "
          "engine.",
          R"(-O {"level":3} has no effect: Nothing is compiled or captured here.)"});
}

TEST_CASE("a default that is spelt out needs no line") {
  const auto result =
      result_of({"m", "--swap-space", "4", "--pipeline-parallel-size", "1", "--kv-cache-dtype",
                 "auto", "--quantization", "None", "--no-enable-lora", "--tool-parser-plugin", ""});
  CHECK(result.remarks.empty());
}

TEST_CASE("experts are dealt whole only where that is asked for") {
  CHECK(!result_of({"m"}).settings.engine.parallel.expert_parallel);
  CHECK(result_of({"m", "--enable_expert_parallel"}).settings.engine.parallel.expert_parallel);
}

TEST_CASE("a value that is harmless is accepted, another of the same option is refused") {
  CHECK(result_of({"m", "--task", "generate"}).remarks.size() == 1);
  CHECK(refusal_of({"m", "--task", "embed"}) ==
        "--task embed: is not possible. Only generation is possible yet; leave --task out.");
}

TEST_CASE("what is not possible yet is refused with what is") {
  CHECK(refusal_of({"m", "-pp", "2"}) ==
        "-pp 2: is not possible. Pipeline parallelism is not possible yet; use "
        "--tensor-parallel-size.");
  CHECK(refusal_of({"m", "--headless"}) ==
        "--headless: is not possible. Several hosts are not possible yet; run one server a host "
        "behind a load balancer.");
  CHECK(
      refusal_of({"m"}, {{"VLLM_TORCH_PROFILER_DIR", "/x"}}) ==
      "VLLM_TORCH_PROFILER_DIR /x: is not possible. There is no PyTorch here to profile; unset it "
      "(perf shows where time goes).");
}

TEST_CASE("a slip in the name of a variable is pointed at") {
  CHECK(
      result_of({"m"}, {{"VLLM_CPU_KV_CACHE_SPACE", "4"}}).warnings ==
      std::vector<std::string>{"The environment variable VLLM_CPU_KV_CACHE_SPACE is not known and "
                               "ignored; did you mean VLLM_CPU_KVCACHE_SPACE?"});
  CHECK(result_of({"m"}, {{"VLLM_DP_RANK", "0"}, {"PATH", "/bin"}}).warnings.empty());
}

TEST_CASE("values that do not fit together are refused before anything is loaded") {
  CHECK(refusal_of({"m", "--max-num-batched-tokens", "16"})
            .starts_with(
                "max_num_batched_tokens (16) must be greater than or equal to max_num_seqs (32)."));
  CHECK(refusal_of({"m", "--no-enable-chunked-prefill", "--max-model-len", "4096"})
            .starts_with("max_num_batched_tokens (2048) is smaller than max_model_len (4096)."));
  CHECK(refusal_of({"m", "--enable-auto-tool-choice"}) ==
        "--enable-auto-tool-choice requires --tool-call-parser, such as --tool-call-parser hermes");
  CHECK(refusal_of({"m", "--tool-call-parser", "x"}).starts_with("--tool-call-parser: \"x\""));
  CHECK(refusal_of({"m", "--reasoning-parser", "x"}).starts_with("--reasoning-parser: \"x\""));
  CHECK(refusal_of({"m"}, {{"VLLM_CPU_KVCACHE_SPACE", "4GB"}}) ==
        R"(VLLM_CPU_KVCACHE_SPACE: "4GB" is not a whole number of 0 or more)");
  CHECK(refusal_of({"m"}, {{"VLLM_LOGGING_LEVEL", "LOUD"}}) ==
        R"(VLLM_LOGGING_LEVEL: "LOUD" is not a level; choose DEBUG, INFO, WARNING or ERROR)");
}

TEST_CASE("the default model is served only where none is named") {
  CHECK(settings({"--default-model", "demo"}).model.model == "demo");
  CHECK(settings({"mine", "--default-model", "demo"}).model.model == "mine");
}

TEST_CASE("the log shows what differs from the defaults, but no keys") {
  const Arguments arguments = {"m",    "--api-key", "secret", "--hf-token",      "hidden", "--port",
                               "8000", "-tp",       "2",      "--max-model-len", "1k"};
  CHECK(non_default_arguments(parse_options(arguments, EntryPoint::kServe)) ==
        R"({"api_key": "***", "model": "m", "hf_token": "***", "max_model_len": 1000, )"
        R"("tensor_parallel_size": 2})");
}

TEST_CASE("the number of images has two forms, and a key of its own") {
  const auto most = [](const Arguments& given) {
    return settings(given).server.pictures.most_per_prompt;
  };
  CHECK(most({"m"}) == 999);
  CHECK(most({"m", "--limit-mm-per-prompt", R"({"image": 2, "video": 0})"}) == 2);
  CHECK(most({"m", "--limit-mm-per-prompt", "image=3,video=1"}) == 3);
  CHECK(most({"m", "--limit-mm-per-prompt.image", "4"}) == 4);
  CHECK(most({"m", "--limit-mm-per-prompt", "{}"}) == 999);
  for (const char* bad : {"2", "image", "image=two", "image=-1", R"({"image": -1})",
                          R"({"image": "2"})", R"({"picture": 2})", R"({"image": 1.5})"}) {
    CAPTURE(bad);
    CHECK(refusal_of({"m", "--limit-mm-per-prompt", bad}).starts_with("--limit-mm-per-prompt: "));
  }
}

TEST_CASE("what images may cost and where they may come from is a matter of the operator") {
  const Settings usual = settings({"m"});
  CHECK(!usual.server.pictures.allow_private_addresses);
  CHECK(usual.server.pictures.allowed_local_folder.empty());
  CHECK(usual.server.pictures.fetch_timeout == std::chrono::seconds(5));
  CHECK(usual.server.pictures.max_kept_bytes == int64_t{4} << 30);
  const Settings other =
      settings({"m", "--allow-private-media-addresses", "--allowed-local-media-path", "/data",
                "--mm-processor-kwargs", R"({"max_pixels": 1003520})"},
               {{"VLLM_IMAGE_FETCH_TIMEOUT", "20"}, {"VLLM_MM_INPUT_CACHE_GIB", "1"}});
  CHECK(other.server.pictures.allow_private_addresses);
  CHECK(other.server.pictures.allowed_local_folder == "/data");
  CHECK(other.server.pictures.fetch_timeout == std::chrono::seconds(20));
  CHECK(other.server.pictures.max_kept_bytes == int64_t{1} << 30);
  CHECK(other.model.processor_arguments.at("max_pixels") == 1003520);
  CHECK(refusal_of({"m"}, {{"VLLM_IMAGE_FETCH_TIMEOUT", "0"}}) ==
        "VLLM_IMAGE_FETCH_TIMEOUT: 0 leaves nothing; write 1 or more");
}

TEST_CASE("ranks are bound as VLLM_CPU_OMP_THREADS_BIND says") {
  const auto request = [](const std::string& bind) {
    return placement_request_of(
        settings({"m", "-tp", "2", "--cpu-threads", "3"},
                 {{"VLLM_CPU_OMP_THREADS_BIND", bind}, {"VLLM_CPU_NUM_OF_RESERVED_CPU", "1"}}));
  };
  CHECK(request("auto").binding == Binding::kAuto);
  CHECK(request("auto").ranks == 2);
  CHECK(request("auto").threads == 3);
  CHECK(request("auto").reserved == 1);
  CHECK(request("").binding == Binding::kAuto);
  CHECK(request("all").binding == Binding::kNone);
  CHECK(request("nobind").binding == Binding::kNone);
  CHECK(request("0-2|4,5").binding == Binding::kLists);
  CHECK(request("0-2|4,5").lists == std::vector<std::vector<int>>{{0, 1, 2}, {4, 5}});
  for (const char* bad : {"0-x", "3-1", "-", "1,,2", "0-4000000000", "none"}) {
    CAPTURE(bad);
    CHECK_THROWS_WITH_AS(request(bad),
                         doctest::Contains("is not a list of cores such as 0-3,8; choose auto"),
                         Error);
  }
}

}  // namespace
}  // namespace pagoda
