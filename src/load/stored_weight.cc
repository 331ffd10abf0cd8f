#include "load/stored_weight.h"

#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/must.h"
#include "base/str.h"
#include "tensor/dtype.h"

namespace pagoda {
namespace {

class CheckedScales final : public StoredTensor {
 public:
  CheckedScales(std::unique_ptr<StoredTensor> scales, std::string tensor, int64_t groups)
      : scales_(std::move(scales)), tensor_(std::move(tensor)), groups_(groups) {}

  Encoding encoding() const override { return scales_->encoding(); }

  const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const override {
    const std::byte* data = scales_->read(first, count, scratch);
    switch (encoding()) {
      case Encoding::kF32: check<float>(data, first, count); break;
      case Encoding::kF16: check<Float16>(data, first, count); break;
      case Encoding::kBF16: check<BFloat16>(data, first, count); break;
      case Encoding::kF8E4M3:
      case Encoding::kInt8:
      case Encoding::kInt4: MUST(is_float(encoding()));
    }
    return data;
  }

 private:
  template <class T>
  void check(const std::byte* data, int64_t first, int64_t count) const {
    const auto* scales = reinterpret_cast<const T*>(data);
    for (int64_t i = 0; i < count; ++i) {
      const float scale = to_float(scales[i]);
      if (std::isfinite(scale)) continue;
      const int64_t at = first + i;
      throw Error(ErrorKind::kCheckpoint,
                  str(tensor_, ": is ", scale, " in row ", at / groups_, ", group ", at % groups_,
                      ", expected a finite number; get the model again"));
    }
  }

  const std::unique_ptr<StoredTensor> scales_;
  const std::string tensor_;
  const int64_t groups_;
};

}  // namespace

std::unique_ptr<StoredTensor> checked_scales(std::unique_ptr<StoredTensor> scales,
                                             std::string tensor, int64_t groups) {
  return std::make_unique<CheckedScales>(std::move(scales), std::move(tensor), groups);
}

std::string ModuleTensors::full_name(std::string_view name) const {
  return str(module_, ".", name);
}

bool ModuleTensors::has(std::string_view name) const {
  return source_.has(full_name(name));
}

bool ModuleTensors::is_stored(std::string_view name) const {
  return source_.total_bytes() > 0 && has(name);
}

std::unique_ptr<StoredTensor> ModuleTensors::open(std::string_view name,
                                                  std::span<const int64_t> shape,
                                                  Numbers numbers) const {
  std::string full = full_name(name);
  auto tensor = source_.open(full, shape, numbers);
  if (used_ != nullptr) used_->insert(std::move(full));
  return tensor;
}

}  // namespace pagoda
