// For tests: what golden_test and golden_shared_test have in common.
#pragma once

#include <filesystem>

namespace pagoda {

// Where this test's folders are. The cases (test_golden_cases.cc) run every one of an architecture
// that this build has.
std::filesystem::path golden_root();

}  // namespace pagoda
