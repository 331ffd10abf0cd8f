// What does it cost to deal a model over ranks? Two ranks of one thread do the same work as one
// rank of two threads and sum up twice a layer; eight ranks on two cores sleep and wake up besides,
// and pad 14 heads to 16.

#include "base/str.h"
#include "engine_rig.h"

namespace pagoda {
namespace {

void measure(const bench::Options& options, int ranks, int threads, bench::EngineRig& one_rank) {
  bench::EngineRig rig(options, {.tensor_parallel_size = ranks, .threads = threads});
  const int64_t tokens = options.smoke ? 4 : 33;
  bench::Result result = {.bench = "ranks",
                          .subject = str(options.backend, ", bfloat16, ", rig.weight_bytes() / 1e9,
                                         " GB, ", ranks, " ranks, threads of each: ", threads),
                          .unit = "tokens/s",
                          .baseline = str("one rank with ", bench::threads_of(options), " threads"),
                          .baseline_runs = {},
                          .runs = {}};
  rig.decode_rate(1, tokens);
  for (int i = 0; i < options.runs; ++i) {
    result.baseline_runs.push_back(one_rank.decode_rate(1, tokens));
    result.runs.push_back(rig.decode_rate(1, tokens));
  }
  bench::print(result);
}

void run(const bench::Options& options) {
  const int threads = bench::threads_of(options);
  bench::EngineRig one_rank(options, {.threads = threads});
  one_rank.decode_rate(1, options.smoke ? 4 : 33);
  measure(options, 2, std::max(1, threads / 2), one_rank);
  measure(options, 8, std::max(1, threads / 8), one_rank);
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run);
}
