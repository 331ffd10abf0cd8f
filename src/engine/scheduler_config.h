// How steps are filled. Values with their defaults.
#pragma once

#include <cstdint>

namespace pagoda {

enum class SchedulingPolicy : uint8_t { kFcfs, kPriority };

struct SchedulerConfig {
  int64_t max_sequences = 32;      // --max-num-seqs: in one step
  int64_t max_step_tokens = 2048;  // --max-num-batched-tokens: prefill and decode together
  int64_t long_prefill_threshold =
      0;  // --long-prefill-token-threshold: most of a prompt a step; 0: no limit
  int64_t max_prompt_logprob_rows =
      256;                      // prompt positions a step whose log-probabilities are wanted
  int64_t steps_in_flight = 1;  // launched and not yet collected; what is computed is the same
  bool chunked_prefill = true;
  bool chunked_pictures = true;  // a picture's tokens may be cut; no: --disable-chunked-mm-input
  bool prefix_caching = true;
  SchedulingPolicy policy = SchedulingPolicy::kFcfs;
};

}  // namespace pagoda
