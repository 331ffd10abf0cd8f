// How many more tokens a second do several sequences decode together than one alone? The weights
// are read once a step for all of them, so the answer is their number until arithmetic is the
// limit.

#include "base/str.h"
#include "engine_rig.h"

namespace pagoda {
namespace {

void run(const bench::Options& options) {
  bench::EngineRig rig(options);
  const int64_t tokens = options.smoke ? 4 : 17;
  rig.decode_rate(1, tokens);
  for (const int sequences : {4, 16, 32}) {
    bench::Result result = {.bench = "batching",
                            .subject = str(options.backend, ", ", bench::threads_of(options),
                                           " threads, bfloat16, ", sequences, " sequences"),
                            .unit = "tokens/s",
                            .baseline = "one sequence",
                            .baseline_runs = {},
                            .runs = {}};
    for (int i = 0; i < options.runs; ++i) {
      result.baseline_runs.push_back(rig.decode_rate(1, tokens));
      result.runs.push_back(rig.decode_rate(sequences, tokens));
    }
    bench::print(result);
  }
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run);
}
