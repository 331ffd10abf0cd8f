#include "backends/backends.h"

#include <utility>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

// One row a backend, written by CMake from PAGODA_BACKENDS.
#define BACKEND(name) std::unique_ptr<Device> open_##name(const DeviceOptions& options);
#include "backends/backend_list.inc"
#undef BACKEND

namespace {

struct Entry {
  std::string_view name;
  std::unique_ptr<Device> (*open)(const DeviceOptions& options);
};
#define BACKEND(name) {#name, &open_##name},
constexpr Entry kBackends[] = {
#include "backends/backend_list.inc"
};
#undef BACKEND

}  // namespace

std::string backend_names() {
  std::string names;
  for (const Entry& e : kBackends) names += str(names.empty() ? "" : ", ", e.name);
  return names;
}

std::unique_ptr<Device> open_device(std::string_view backend, DeviceOptions options) {
  const size_t colon = backend.find(':');
  const std::string_view name = backend.substr(0, colon);
  if (colon != std::string_view::npos) options.instruction_set = backend.substr(colon + 1);
  for (const Entry& e : kBackends) {
    if (e.name == name) return e.open(options);
  }
  throw Error(ErrorKind::kConfig,
              str("--backend: \"", name, "\" is not in this build, which has ", backend_names(),
                  "; rebuild with -DPAGODA_BACKENDS=\"ref;cpu;", name, "\""));
}

}  // namespace pagoda
