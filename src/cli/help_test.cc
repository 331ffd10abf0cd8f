#include "cli/help.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/file.h"
#include "cli/option_table.h"

namespace pagoda {
namespace {

TEST_CASE("docs/options.md is what the tables say; `pagoda help --markdown` writes it anew") {
  const std::filesystem::path page =
      std::filesystem::path(PAGODA_SOURCE_DIR) / "docs" / "options.md";
  CHECK(read_text_file(page) == options_page());
}

TEST_CASE("--help names every option once, in its group") {
  const std::string help = serve_help("");
  for (const OptionRow* row : all_options()) {
    const std::string name = row->name == "model" ? "MODEL (--model" : std::string(row->name);
    CAPTURE(name);
    CHECK(help.find(name) != std::string::npos);
  }
  CHECK(help.find("ModelConfig:") < help.find("--max-model-len N"));
}

TEST_CASE("--help shows parts of itself") {
  CHECK(serve_help("listgroup").find("SchedulerConfig") != std::string::npos);
  CHECK(serve_help("cacheconfig").starts_with("CacheConfig: The KV cache.\n  --block-size N"));
  CHECK(serve_help("max_model").find("--max-model-len N") != std::string::npos);
  CHECK(serve_help("max_model").find("--port") == std::string::npos);
  CHECK(serve_help("zzz").starts_with("No option and no group has \"zzz\" in its name or help."));
}

}  // namespace
}  // namespace pagoda
