// Every backend of this build, by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tensor/device.h"

namespace pagoda {

// `backend` is a name of backend_names(), perhaps with an instruction set behind a colon:
// "cpu:avx2". Throws kConfig, with the names there are.
std::unique_ptr<Device> open_device(std::string_view backend, DeviceOptions options);
std::string backend_names();  // "ref, cpu"

}  // namespace pagoda
