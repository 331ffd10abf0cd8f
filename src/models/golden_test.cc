// The golden checkpoints of the repository, on every backend of the build.
#include "models/test_golden_cases.h"

std::filesystem::path pagoda::golden_root() {
  return std::filesystem::path(PAGODA_SOURCE_DIR) / "testdata" / "models";
}
