// The whole collection of golden checkpoints, on every backend of the build.
#include "models/test_golden_cases.h"

std::filesystem::path pagoda::golden_root() {
  return std::filesystem::path(PAGODA_SHARED_DIR) / "golden";
}
