// Plans for published models, from their config.json alone, and for every golden checkpoint that
// this build serves, against a real load.

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "cli/test_plan.h"
#include "load/checkpoint.h"
#include "load/hf_config.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// Ranks for contexts of 32768 tokens on devices of 32 GiB.
int ranks_for(const std::string& model, const std::string& overrides = "{}") {
  const fs::path folder = fs::path(PAGODA_SHARED_DIR) / "data" / "configs" / model;
  const ServingPlan plan =
      plan_of({folder.string(), "--device-memory", "32GiB", "--devices", "8", "--dtype", "bfloat16",
               "--max-model-len", "32768", "--hf-overrides", overrides});
  return plan.best ? plan.counts[*plan.best].ranks : 0;
}

TEST_CASE("the user's models take as many 32 GiB devices as the user gives them") {
  CHECK(ranks_for("Qwen3-8B") == 1);
  CHECK(ranks_for("Qwen2.5-32B") == 4);
  CHECK(ranks_for("Qwen3-30B-A3B") == 4);
  // Its own config is not in the collection: the smaller one in the sizes that it publishes.
  CHECK(ranks_for("Qwen2.5-VL-7B-Instruct",
                  R"({"hidden_size":5120,"intermediate_size":27648,"num_hidden_layers":64,
                      "num_attention_heads":40,"num_key_value_heads":8,
                      "vision_config":{"out_hidden_size":5120,"intermediate_size":3456}})") == 4);
}

// Whole numbers of which config.json does not tell.
bool is_described_elsewhere(const fs::path& folder) {
  const fs::directory_iterator files(folder);
  return std::any_of(begin(files), end(files), [](const auto& file) {
    return file.path().filename().string().starts_with("quant_model_description");
  });
}

// Embedding models, say, are not.
bool is_supported(const fs::path& folder) {
  if (is_described_elsewhere(folder)) return false;
  try {
    define_model(HfConfig::load(folder));
    return open_checkpoint(folder)->has("model.embed_tokens.weight");
  } catch (const Error&) {
    return false;
  }
}

TEST_CASE("golden checkpoints take what was planned") {
  int checked = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(PAGODA_SHARED_DIR) / "golden")) {
    if (!fs::exists(entry.path() / "config.json") || !is_supported(entry.path())) continue;
    for (const int ranks : {1, 2, 3, 4}) check_agrees(entry.path(), ranks, "auto");
    ++checked;
  }
  CHECK(checked >= 20);
}

TEST_CASE("whole experts a rank take what was planned") {
  const fs::path golden = fs::path(PAGODA_SHARED_DIR) / "golden";
  for (const char* name : {"qwen3-moe", "qwen2-moe", "deepseek-v3"}) {
    for (const int ranks : {2, 3, 4}) {
      check_agrees(golden / name, ranks, "auto", {"--enable-expert-parallel"});
    }
  }
}

}  // namespace
}  // namespace pagoda
