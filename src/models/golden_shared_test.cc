// The whole collection of golden checkpoints, on every backend of the build.
#include <doctest/doctest.h>

#include <algorithm>

#include "models/test_golden.h"
#include "models/test_golden_cases.h"

namespace pagoda {

std::filesystem::path golden_root() {
  return std::filesystem::path(PAGODA_SHARED_DIR) / "golden";
}

namespace {

bool is_expected(const std::string& name) {
  const auto starts = [&](std::string_view prefix) { return name.starts_with(prefix); };
  return starts("llama-") || starts("mistral") || starts("qwen2-") || starts("qwen3-") ||
         starts("qwen2.5-vl") || starts("deepseek-") || starts("phi") || starts("glm4") ||
         starts("gemma3") || starts("fp8-") || name == "ct-w4a16-g128" || name == "ct-w4a16-asym" ||
         name == "ct-w4a16-actorder" || name == "ct-w8a16";
}

}  // namespace

TEST_CASE("no checkpoint of a model that this build has is left out") {
  const auto found = golden_folders(golden_root());
  for (const auto& entry : std::filesystem::directory_iterator(golden_root())) {
    if (!entry.is_directory() || !is_expected(entry.path().filename().string())) continue;
    CAPTURE(entry.path().string());
    CHECK(std::find(found.begin(), found.end(), entry.path()) != found.end());
  }
}

}  // namespace pagoda
