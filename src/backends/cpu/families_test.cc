#include "backends/cpu/families.h"

#include <doctest/doctest.h>

#include "backends/cpu/test_support.h"
#include "base/error.h"

namespace pagoda {
std::unique_ptr<Device> open_cpu(const DeviceOptions& options);
}

namespace pagoda::cpu {

TEST_CASE("a forced instruction set answers under its name, with its own kernels") {
  for (const Family* family : families_here()) {
    const auto device = open_cpu({.threads = 2, .instruction_set = std::string(family->name)});
    CHECK(device->description() == str("cpu ", family->name, ", 2 threads"));
    for (const Family* other : families_here()) {
      CHECK((&other->kernels() == &family->kernels()) == (other == family));
    }
  }
}

TEST_CASE("without a name the best instruction set of the machine serves") {
  const auto device = open_cpu({.threads = 1});
  CHECK(device->description() == str("cpu ", families_here().front()->name, ", 1 thread"));
}

TEST_CASE("an unknown instruction set is refused with those that are here") {
  const std::string expected =
      str("--backend cpu:mmx: no instruction set of that name; this machine has ", names_here());
  CHECK_THROWS_WITH_AS(open_cpu({.instruction_set = "mmx"}), expected.c_str(), Error);
}

TEST_CASE("every family computes the same within rounding") {
  const Array x = random_array({64, 700}, DType::kF32, 1);
  const Array weights = random_array({64, 700}, DType::kF32, 2);
  std::vector<Array> outs;
  for (const Family* family : families_here()) {
    const auto device = open(*family, 1);
    outs.emplace_back(Array({64, 64}, DType::kF32));
    device->ops().matmul(outs.back(), x, *pack(*device, weights, DType::kF32), {});
  }
  for (const Array& out : outs) {
    for (int64_t i = 0; i < out.view().count(); ++i) {
      CHECK(out.at(i) == doctest::Approx(outs.front().at(i)).epsilon(1e-3));
    }
  }
}

}  // namespace pagoda::cpu
