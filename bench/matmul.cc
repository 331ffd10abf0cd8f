// How near are matrix products to what this machine can do?
//
// One row (decoding) is compared with the read bandwidth of all threads, weights larger than the
// caches; 512 rows (prefill) with the multiply-add peak of the same instruction set and threads.

#include <span>

#include "backends/cpu/cpu_device.h"
#include "base/str.h"
#include "base/usable_cores.h"
#include "cpu_rig.h"

namespace pagoda {
namespace {

struct Size {
  int64_t out, in;
};
constexpr Size kSizes[] = {{4096, 4096}, {12288, 4096}, {8960, 1536}, {1536, 8960}};
constexpr Size kSmokeSizes[] = {{96, 64}};
constexpr int64_t kColdBytes = int64_t{512} << 20;  // of weights and of the bandwidth buffer

struct Bench {
  explicit Bench(const bench::Options& o);

  void run(DType dtype, Size size, int64_t rows);

  const bench::Options options;
  const cpu::Family& family;
  const int threads;
  cpu::CpuDevice device;
  ThreadTeam team;  // for the limits
  bench::ReadBandwidth bandwidth;
  const int64_t cold_bytes;
};

Bench::Bench(const bench::Options& o)
    : options(o),
      family(bench::family_of(o.backend)),
      threads(o.threads > 0 ? o.threads : usable_cores("/")),
      device(family, threads, {}),
      team(threads),
      bandwidth(o.smoke ? 1 << 20 : kColdBytes),
      cold_bytes(o.smoke ? 1 << 16 : kColdBytes) {}

void Bench::run(DType dtype, Size size, int64_t rows) {
  const MatrixSpec spec = {
      .out = size.out, .in = size.in, .format = {Encoding::kF32}, .dtype = dtype};
  const bool one_row = rows == 1;
  const auto saturate = cpu::products_of(family.kernels(), cpu::choose_layout({}, dtype)).saturate;
  const int64_t bytes = device.matrix_bytes(spec);
  std::vector<std::unique_ptr<Matrix>> matrices;
  while (matrices.empty() ||
         (one_row && static_cast<int64_t>(matrices.size()) * bytes < cold_bytes)) {
    matrices.push_back(device.make_matrix(spec, bench::RepeatedRow(size.in)));
  }
  const Buffer x = reserve_host_memory(rows * size.in * bytes_of(dtype));
  const Buffer out = reserve_host_memory(rows * size.out * bytes_of(dtype));
  const auto pass = [&] {
    for (const auto& matrix : matrices) {
      device.ops().matmul(make_view(out.data(), {rows, size.out}, dtype),
                          make_view(x.data(), {rows, size.in}, dtype), *matrix, {});
    }
  };
  bench::Result result = {.bench = "matmul",
                          .subject = str(device.description(), ", ", name_of(dtype), ", ", rows,
                                         " x ", size.in, " x ", size.out),
                          .unit = one_row ? "GB/s" : "GFLOPS",
                          .baseline = one_row ? "read bandwidth" : "multiply-add peak",
                          .baseline_runs = {},
                          .runs = {}};
  const auto count = static_cast<double>(matrices.size());
  pass();
  for (int i = 0; i < options.runs; ++i) {
    const double limit = one_row ? bandwidth.measure(team)
                                 : 2 * bench::multiply_add_peak(team, saturate, options.smoke);
    const double work = one_row ? count * static_cast<double>(bytes)
                                : 2.0 * static_cast<double>(rows * size.in * size.out);
    result.baseline_runs.push_back(limit / 1e9);
    result.runs.push_back(work / bench::fastest(pass) / 1e9);
  }
  bench::print(result);
}

void run_all(const bench::Options& options) {
  const auto sizes = options.smoke ? std::span<const Size>(kSmokeSizes) : kSizes;
  Bench bench(options);
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF16}) {
    for (const Size size : sizes) bench.run(dtype, size, 1);
    for (const Size size : sizes) bench.run(dtype, size, 512);
  }
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run_all);
}
