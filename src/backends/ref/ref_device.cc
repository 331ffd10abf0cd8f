// The reference backend: plain loops in f32, the specification of every other backend.
#include <memory>

#include "base/error.h"
#include "tensor/device.h"

namespace pagoda {

std::unique_ptr<Device> open_ref(const DeviceOptions& /*options*/) {
  throw Error(ErrorKind::kConfig, "--backend: ref is being written");
}

}  // namespace pagoda
