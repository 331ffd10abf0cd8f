#include "load/stored_weight.h"

#include "base/str.h"

namespace pagoda {

bool ModuleTensors::has(std::string_view name) const {
  return source_.has(str(module_, ".", name));
}

bool ModuleTensors::is_stored(std::string_view name) const {
  return source_.total_bytes() > 0 && has(name);
}

std::unique_ptr<StoredTensor> ModuleTensors::open(std::string_view name,
                                                  std::span<const int64_t> shape,
                                                  Numbers numbers) const {
  std::string full = str(module_, ".", name);
  auto tensor = source_.open(full, shape, numbers);
  if (used_ != nullptr) used_->insert(std::move(full));
  return tensor;
}

}  // namespace pagoda
