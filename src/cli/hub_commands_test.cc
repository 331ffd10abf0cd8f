#include "cli/hub_commands.h"

#include <doctest/doctest.h>

namespace pagoda {

TEST_CASE("a cached model is a line, with what keeps it from being served") {
  const std::vector<CachedModel> models = {{.name = "Qwen/Qwen3-8B",
                                            .revision = "0123456789abcdef0123456789abcdef01234567",
                                            .folder = "/cache/a",
                                            .bytes = 3 << 20,
                                            .missing = ""},
                                           {.name = "a/b",
                                            .revision = "master",
                                            .folder = "/cache/b",
                                            .bytes = 1 << 10,
                                            .missing = "config.json"}};
  CHECK(cached_models_text(models) ==
        "Qwen/Qwen3-8B  0123456789ab    3.0 MiB  /cache/a\n"
        "a/b            master          1.0 KiB  /cache/b  (misses config.json)\n");
}

TEST_CASE("an empty cache says how to fill it") {
  CHECK(cached_models_text({}) == "no model is cached; `pagoda download MODEL` gets one\n");
}

}  // namespace pagoda
