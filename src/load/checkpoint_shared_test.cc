// Real files: those of other projects' tests, and every golden checkpoint.
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "load/safetensors.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShared = PAGODA_SHARED_DIR;

}  // namespace

TEST_CASE("files written by other programs are read") {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(kShared) / "data/weights/safetensors")) {
    CAPTURE(entry.path().string());
    const MappedFile file(entry.path());
    CHECK_FALSE(parse_safetensors(file.bytes(), entry.path().string()).empty());
    ++files;
  }
  CHECK(files >= 6);
}

TEST_CASE("every golden checkpoint opens, and its embedding fits its config") {
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(kShared) / "golden")) {
    if (!fs::exists(entry.path() / "config.json")) continue;
    CAPTURE(entry.path().string());
    const HfConfig config = HfConfig::load(entry.path());
    const auto source = open_checkpoint(entry.path());
    const std::string prefix = source->has("embed_tokens.weight") ? "" : "model.";
    const std::vector<int64_t> shape = {config.keys().integer("vocab_size"),
                                        config.keys().integer("hidden_size")};
    CHECK(source->open(prefix + "embed_tokens.weight", shape, Numbers::kFloats) != nullptr);
    ++folders;
  }
  CHECK(folders > 30);
}

}  // namespace pagoda
