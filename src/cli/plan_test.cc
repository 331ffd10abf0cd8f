#include "cli/plan.h"

#include <fstream>

#include "backends/backends.h"
#include "base/error.h"
#include "cli/test_plan.h"
#include "engine/runner.h"
#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "tensor/idle_ops.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kGiB = int64_t{1} << 30;

fs::path demo_folder() {
  return fs::path(PAGODA_SOURCE_DIR) / "models" / "demo";
}

ServingPlan plan_demo(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), demo_folder().string());
  return plan_of(arguments);
}

TEST_CASE("weights, padding and cache are those of the engine that loads the model") {
  for (const int ranks : {1, 2, 3, 4, 8}) check_agrees(demo_folder(), ranks, "auto");
  check_agrees(demo_folder(), 2, "float32");
  for (const auto& entry :
       fs::directory_iterator(fs::path(PAGODA_SOURCE_DIR) / "testdata/models")) {
    if (!entry.is_directory()) continue;
    for (const int ranks : {1, 2, 3}) check_agrees(entry.path(), ranks, "bfloat16");
  }
}

TEST_CASE("KV blocks and workspace of a rank are those that it measures when it has loaded") {
  EngineConfig config =
      settings_of(parse_options(std::vector<std::string>{"m"}, EntryPoint::kServe), {})
          .settings.engine;
  config.model.folder = demo_folder();
  config.model.definition = define_model(HfConfig::load(demo_folder()));
  config.parallel.tensor_parallel_size = 2;
  const auto source = open_checkpoint(demo_folder());
  const Runner runner(config, *source, open_device("cpu", {.threads = 3}),
                      std::make_unique<IdleCommunicator>(1, 2), nullptr);
  const auto shapes = make_shapes(open_checkpoint(demo_folder()), config.model.dtype);
  config.parallel.threads = 3;
  const RanksNeed need = measure_ranks(config, {config.parallel}, *shapes).front();
  CHECK(need.rank_weight_bytes == runner.weight_bytes());
  CHECK(need.state.block_bytes() == runner.measure().state.block_bytes());
  CHECK(need.workspace_bytes == runner.measure().workspace_bytes);
  CHECK(need.workspace_bytes > 0);
  CHECK(need.host_bytes == runner.measure().host_bytes);
  CHECK(need.host_bytes > 0);
}

TEST_CASE("config.json alone tells the same as the headers") {
  const fs::path folder = fs::temp_directory_path() / "pagoda_plan_test";
  fs::create_directories(folder);
  fs::copy_file(demo_folder() / "config.json", folder / "config.json",
                fs::copy_options::overwrite_existing);
  const ServingPlan bare = plan_of({folder.string()}), full = plan_demo({});
  fs::remove_all(folder);
  CHECK(bare.weights == "config.json");
  CHECK(full.weights.find("safetensors") != std::string::npos);
  REQUIRE(bare.counts.size() == full.counts.size());
  for (size_t i = 0; i < bare.counts.size(); ++i) {
    CHECK(bare.counts[i].need.weight_bytes == full.counts[i].need.weight_bytes);
    CHECK(bare.counts[i].need.workspace_bytes == full.counts[i].need.workspace_bytes);
  }
}

TEST_CASE("memory of the devices decides what fits") {
  const ServingPlan plan = plan_demo({"--device-memory", "2GiB", "--devices", "2"});
  CHECK(plan.memory.total_bytes == 2 * kGiB);
  CHECK_FALSE(plan.memory.is_shared);
  REQUIRE(plan.counts.size() == 2);
  CHECK(plan.best == 0);
  CHECK(plan.counts[0].longest == 2048);
  const ServingPlan none = plan_demo({"--device-memory=1GiB"});
  CHECK_FALSE(none.best.has_value());
  CHECK(none.counts[0].longest == 0);
  CHECK(plan_report(none).find("does not fit") != std::string::npos);
}

TEST_CASE("a cache of a given size counts too") {
  const ServingPlan plan =
      plan_demo({"--device-memory", "4GiB", "--num-gpu-blocks-override", "100000000"});
  CHECK_FALSE(plan.best.has_value());
}

TEST_CASE("the serve line and the Compose file hold what was given and what was found") {
  std::vector<std::string> arguments = {
      demo_folder().string(), "--device_memory", "8G", "--served-model-name", "a $b", "-tp", "2"};
  PlanOptions options = read_plan_options(arguments);
  const ServingPlan plan = plan_serving(settings_of(options.serve, {}).settings, options);
  CHECK(serve_line(plan, options) ==
        "pagoda serve " + demo_folder().string() + " --served-model-name 'a $b' -tp 2");
  const std::string compose = compose_file(plan, options);
  CHECK(compose.find("command: [\"serve\", \"" + fs::canonical(demo_folder()).string() +
                     "\", \"--served-model-name\", \"a $$b\", \"-tp\", \"2\"]") !=
        std::string::npos);
  CHECK(compose.find("environment") == std::string::npos);
  options.environment = {
      {"VLLM_USE_MODELSCOPE", "True"}, {"VLLM_API_KEY", "s3cret"}, {"HOME", "/"}};
  CHECK(compose_file(plan, options)
            .find("    environment:\n"
                  "      - \"VLLM_API_KEY\"\n"
                  "      - \"VLLM_USE_MODELSCOPE=True\"\n"
                  "    entrypoint") != std::string::npos);
}

TEST_CASE("a Compose file mounts every file that the options name, at its whole path") {
  const fs::path folder = fs::temp_directory_path() / "pagoda_plan_compose_test";
  fs::create_directories(folder / "downloads");
  std::ofstream(folder / "chat.jinja") << "{{ 1 }}";
  std::ofstream(folder / "options.yaml") << "model: " << demo_folder().string() << "\n";
  const std::string typed = (folder / "downloads" / "..").string();
  const PlanOptions options = read_plan_options(
      {"--config", typed + "/options.yaml", "--chat-template=" + typed + "/chat.jinja",
       "--download-dir", (folder / "downloads").string(), "--served-model-name",
       demo_folder().string(), "--device-memory", "8GiB"});
  const ServingPlan plan = plan_serving(settings_of(options.serve, {}).settings, options);
  const std::string compose = compose_file(plan, options);
  const std::string whole = fs::canonical(folder).string();
  fs::remove_all(folder);
  const auto has = [&](const std::string& text) { return compose.find(text) != std::string::npos; };
  CHECK(has("- \"" + whole + "/options.yaml:" + whole + "/options.yaml:ro\"\n"));
  CHECK(has("- \"" + whole + "/chat.jinja:" + whole + "/chat.jinja:ro\"\n"));
  CHECK(has("- \"" + whole + "/downloads:" + whole + "/downloads\"\n"));
  CHECK(has(demo_folder().filename().string() + ":ro\"\n"));
  CHECK(has("\"--config\", \"" + whole + "/options.yaml\", \"--chat-template=" + whole +
            "/chat.jinja\""));
  CHECK(has("\"--served-model-name\", \"" + demo_folder().string() + "\"]"));
}

TEST_CASE("options that cannot be read are refused with what can be") {
  CHECK_THROWS_WITH_AS(read_plan_options({"m", "--device-memory", "many"}),
                       "--device-memory: \"many\" is not an amount of memory; give one such as "
                       "32GiB (units: MiB, GiB, TiB, MB, GB, TB)",
                       Error);
  CHECK_THROWS_WITH_AS(read_plan_options({"m", "--devices", "0"}),
                       "--devices: \"0\" is not a number of devices; give 1 to 1024", Error);
  CHECK_THROWS_WITH_AS(read_plan_options({"m", "--devices"}), "--devices: expected one argument",
                       Error);
  CHECK_THROWS_AS(plan_demo({"--tensor-parallel-size", "1000"}), Error);
}

}  // namespace
}  // namespace pagoda
