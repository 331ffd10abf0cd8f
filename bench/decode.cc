// How near is the decoding of one sequence, end to end through the engine, to the limit that memory
// sets? Every token reads all weights once, so the limit is read bandwidth / weight bytes.

#include "base/str.h"
#include "engine_rig.h"

namespace pagoda {
namespace {

constexpr int64_t kColdBytes = int64_t{512} << 20;  // of the bandwidth buffer

void run(const bench::Options& options) {
  bench::EngineRig rig(options);
  ThreadTeam team(bench::threads_of(options));
  const bench::ReadBandwidth bandwidth(options.smoke ? 1 << 20 : kColdBytes);
  const int64_t tokens = options.smoke ? 4 : 33;
  bench::Result result = {.bench = "decode",
                          .subject = str(options.backend, ", ", team.size(), " threads, bfloat16, ",
                                         rig.weight_bytes() / 1e9, " GB"),
                          .unit = "tokens/s",
                          .baseline = "read bandwidth / weight bytes",
                          .baseline_runs = {},
                          .runs = {}};
  rig.decode_rate(1, tokens);
  for (int i = 0; i < options.runs; ++i) {
    result.baseline_runs.push_back(bandwidth.measure(team) / rig.weight_bytes());
    result.runs.push_back(rig.decode_rate(1, tokens));
  }
  bench::print(result);
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run);
}
