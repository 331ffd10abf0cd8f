// What benchmarks share: options, medians, limits of the machine, one JSON line a result.
//
// Ratios decide: the baseline is measured in the same process, in turns with what is compared with
// it, because other work on the machine slows both.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_team.h"
#include "tensor/buffer.h"

namespace pagoda::bench {

struct Options {
  int runs = 9;
  bool smoke = false;  // once, small: only to see that it works
  int threads = 0;     // 0: one a core
  std::string backend = "cpu";
};
// Exits with a message if argv is not understood.
Options parse_options(int argc, char** argv);

// What main() returns: options parsed, `run` done, an Error printed.
int run_main(int argc, char** argv, void (*run)(const Options& options));

double seconds(const std::function<void()>& work);
// The fastest of kAttempts. Limits are taken the same way, so that what other programs take from
// the machine for a moment counts for neither.
constexpr int kAttempts = 5;
double fastest(const std::function<void()>& work);

double median(std::vector<double> values);
// Half the distance between the quartiles, relative to the median.
double spread(std::vector<double> values);

// Reads a buffer larger than the caches with all threads; the best of several access patterns. The
// buffer is reserved as weights are, in large pages where the system has them.
class ReadBandwidth {
 public:
  explicit ReadBandwidth(int64_t bytes);
  double measure(ThreadTeam& team) const;  // bytes a second

 private:
  Buffer buffer_;
};

// Multiply-adds a second of all threads, the best of kAttempts. `saturate(rounds)` does nothing
// else and returns how many.
double multiply_add_peak(ThreadTeam& team, int64_t (*saturate)(int64_t rounds), bool smoke);

struct Result {
  std::string bench, subject, unit;
  std::string baseline;                     // what it is
  std::vector<double> baseline_runs, runs;  // in turns; larger is better
};
void print(const Result& result);

}  // namespace pagoda::bench
