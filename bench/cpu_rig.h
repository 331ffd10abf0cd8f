// What benchmarks of the CPU backend share: which instruction set they run on, and weights.
#pragma once

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/families.h"
#include "base/error.h"
#include "base/str.h"
#include "bench.h"
#include "tensor/matrix.h"

namespace pagoda::bench {

// Every row of the same random numbers: only the speed matters.
class RepeatedRow final : public PanelReader {
 public:
  explicit RepeatedRow(int64_t in) : row_(static_cast<size_t>(in) * sizeof(float)) {
    std::mt19937 generator(1);
    std::uniform_real_distribution<float> numbers(-1, 1);
    for (int64_t i = 0; i < in; ++i) reinterpret_cast<float*>(row_.data())[i] = numbers(generator);
  }
  Panel read(int64_t, int64_t, int64_t rows, std::vector<std::byte>& scratch) const override {
    scratch.clear();
    for (int64_t r = 0; r < rows; ++r) scratch.insert(scratch.end(), row_.begin(), row_.end());
    return {scratch};
  }
  void done(int64_t, int64_t, int64_t) const override {}

 private:
  std::vector<std::byte> row_;
};

// "cpu:avx2" names a family; "cpu" leaves the choice to the machine.
inline const cpu::Family& family_of(const std::string& backend) {
  const size_t colon = backend.find(':');
  if (backend.substr(0, colon) != "cpu") {
    throw Error(ErrorKind::kConfig, str("--backend ", backend,
                                        ": this measures the kernels of cpu alone; write cpu, "
                                        "or cpu:avx2"));
  }
  return cpu::choose_family(colon == std::string::npos ? "" : backend.substr(colon + 1));
}

}  // namespace pagoda::bench
