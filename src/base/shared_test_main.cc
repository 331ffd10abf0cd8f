// main() of tests that read data from outside the repository: skipped, with the reason, where the
// folder is missing; a failure instead if PAGODA_REQUIRE_SHARED=1.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

int main(int argc, char** argv) {
  constexpr int kCtestSkip = 77;
  if (!std::filesystem::is_directory(PAGODA_SHARED_DIR)) {
    const char* required = std::getenv("PAGODA_REQUIRE_SHARED");
    const bool must_run = required != nullptr && std::string_view(required) == "1";
    std::printf("%s: the folder %s does not exist, and this test reads its data there\n",
                must_run ? "FAILED" : "SKIPPED", PAGODA_SHARED_DIR);
    return must_run ? 1 : kCtestSkip;
  }
  return doctest::Context(argc, argv).run();
}
