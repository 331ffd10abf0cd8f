// The same sums as bench/all_reduce, by Open MPI between two processes: what ranks on several hosts
// will use, here over shared memory. mpirun -n 2 build/release/bench/mpi_all_reduce

#include <mpi.h>

#include <algorithm>
#include <vector>

#include "base/str.h"
#include "bench.h"

namespace pagoda {
namespace {

constexpr int64_t kLargeBytes = 1 << 20, kSmallBytes = 8 << 10;
constexpr double kSmallSeconds = 5e-6;

// Of one sum of float32, on average.
double sum_seconds(int64_t bytes, int64_t times) {
  std::vector<float> values(static_cast<size_t>(bytes) / sizeof(float));
  const auto count = static_cast<int>(values.size());
  MPI_Barrier(MPI_COMM_WORLD);
  const double all = bench::seconds([&] {
    for (int64_t i = 0; i < times; ++i) {
      MPI_Allreduce(MPI_IN_PLACE, values.data(), count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    }
  });
  return all / static_cast<double>(times);
}

double copy_seconds(int64_t bytes, int64_t times) {
  std::vector<char> from(static_cast<size_t>(bytes)), to(static_cast<size_t>(bytes));
  const double all = bench::seconds([&] {
    for (int64_t i = 0; i < times; ++i) {
      std::copy(from.begin(), from.end(), to.begin());
      asm volatile("" : : "r"(to.data()) : "memory");  // the next copy is not the same
    }
  });
  return all / static_cast<double>(times);
}

bench::Result result_of(int ranks, int64_t bytes, std::string unit, std::string baseline) {
  return {.bench = "mpi_all_reduce",
          .subject = str(ranks, " processes, ", bytes >> 10, " KiB, float32"),
          .unit = std::move(unit),
          .baseline = std::move(baseline),
          .baseline_runs = {},
          .runs = {}};
}

void run(const bench::Options& options) {
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const int64_t times = options.smoke ? 2 : 1000;
  bench::Result large =
      result_of(ranks, kLargeBytes, "GB/s of a rank's tensor", "memcpy of one thread");
  bench::Result small = result_of(ranks, kSmallBytes, "sums/s", "one in 5 us");
  sum_seconds(kLargeBytes, times);
  for (int i = 0; i < options.runs; ++i) {
    large.baseline_runs.push_back(kLargeBytes / copy_seconds(kLargeBytes, times) / 1e9);
    large.runs.push_back(kLargeBytes / sum_seconds(kLargeBytes, times) / 1e9);
    small.baseline_runs.push_back(1 / kSmallSeconds);
    small.runs.push_back(1 / sum_seconds(kSmallBytes, times));
  }
  if (rank != 0) return;
  bench::print(large);
  bench::print(small);
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  pagoda::run(pagoda::bench::parse_options(argc, argv));
  MPI_Finalize();
  return 0;
}
