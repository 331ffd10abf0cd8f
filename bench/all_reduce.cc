// What does it cost ranks that are threads to add up what each of them has? One megabyte is bound
// by memory and compared with one thread that copies as much; 8 KiB, one token of a hidden size of
// 4096, is bound by how fast ranks meet and compared with 5 microseconds.

#include <algorithm>
#include <cstring>

#include "base/str.h"
#include "bench.h"
#include "comm/thread_communicator.h"

namespace pagoda {
namespace {

constexpr int64_t kLargeBytes = 1 << 20, kSmallBytes = 8 << 10;
constexpr double kSmallSeconds = 5e-6;

// Ranks with a tensor each. As in an engine, the caller is rank 0.
class Ranks {
 public:
  Ranks(int ranks, int64_t bytes, DType dtype) : group_(ranks), team_(ranks), dtype_(dtype) {
    for (int rank = 0; rank < ranks; ++rank) {
      values_.emplace_back(static_cast<size_t>(bytes));
      communicators_.push_back(group_.communicator(rank));
    }
  }

  // Of one sum, on average.
  double seconds(int64_t times) {
    return bench::seconds([&] { team_.run([&](int rank) { add_up(rank, times); }); }) /
           static_cast<double>(times);
  }

  // Of one copy of a rank's tensor by one thread.
  double copy_seconds(int64_t times) {
    return bench::seconds([&] {
             for (int64_t i = 0; i < times; ++i) copy();
           }) /
           static_cast<double>(times);
  }

 private:
  void add_up(int rank, int64_t times) {
    const auto index = static_cast<size_t>(rank);
    const auto count = static_cast<int64_t>(values_[index].size()) / bytes_of(dtype_);
    const Tensor tensor = make_view(values_[index].data(), {count}, dtype_);
    for (int64_t i = 0; i < times; ++i) communicators_[index]->all_reduce_sum(tensor);
  }

  void copy() {
    std::memcpy(values_[1].data(), values_[0].data(), values_[0].size());
    asm volatile("" : : "r"(values_[1].data()) : "memory");  // the next copy is not the same
  }

  ThreadGroup group_;
  ThreadTeam team_;
  const DType dtype_;
  std::vector<std::vector<std::byte>> values_;  // zeros, whose sums stay zeros
  std::vector<std::unique_ptr<Communicator>> communicators_;
};

bench::Result result_of(int ranks, int64_t bytes, DType dtype, std::string unit,
                        std::string baseline) {
  return {.bench = "all_reduce",
          .subject = str(ranks, " ranks, ", bytes >> 10, " KiB, ", name_of(dtype)),
          .unit = std::move(unit),
          .baseline = std::move(baseline),
          .baseline_runs = {},
          .runs = {}};
}

void measure_bandwidth(const bench::Options& options, int ranks, DType dtype) {
  const int64_t times = options.smoke ? 2 : 1000;
  Ranks all(ranks, kLargeBytes, dtype);
  bench::Result result =
      result_of(ranks, kLargeBytes, dtype, "GB/s of a rank's tensor", "memcpy of one thread");
  all.seconds(times);
  for (int i = 0; i < options.runs; ++i) {
    result.baseline_runs.push_back(kLargeBytes / all.copy_seconds(times) / 1e9);
    result.runs.push_back(kLargeBytes / all.seconds(times) / 1e9);
  }
  bench::print(result);
}

void measure_latency(const bench::Options& options, int ranks, DType dtype) {
  const int64_t times = options.smoke ? 2 : 5000;
  Ranks all(ranks, kSmallBytes, dtype);
  bench::Result result = result_of(ranks, kSmallBytes, dtype, "sums/s", "one in 5 us");
  all.seconds(times);
  for (int i = 0; i < options.runs; ++i) {
    result.baseline_runs.push_back(1 / kSmallSeconds);
    result.runs.push_back(1 / all.seconds(times));
  }
  bench::print(result);
}

void run(const bench::Options& options) {
  // More ranks than cores have to sleep: slower, but it must not crawl.
  for (const int ranks : {2, 8}) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      measure_bandwidth(options, ranks, dtype);
      measure_latency(options, ranks, dtype);
    }
  }
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run);
}
