// The cpuerence backend
#include <memory>

#include "base/error.h"
#include "tensor/device.h"

namespace pagoda {

std::unique_ptr<Device> open_cpu(const DeviceOptions& /*options*/) {
  throw Error(ErrorKind::kConfig, "--backend: cpu is being written");
}

}  // namespace pagoda
