// The reference, or its form apart from the host, by --backend.
#include "backends/ref/apart_device.h"
#include "backends/ref/ref_device.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {

std::unique_ptr<Device> open_ref(const DeviceOptions& options) {
  if (options.instruction_set == "apart") {
    return std::make_unique<ref::ApartDevice>(options.ordinal);
  }
  if (options.instruction_set.empty()) return std::make_unique<ref::RefDevice>();
  throw Error(ErrorKind::kConfig, str("--backend: ref has no form \"", options.instruction_set,
                                      "\"; use --backend ref, or ref:apart"));
}

}  // namespace pagoda
