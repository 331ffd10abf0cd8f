#include "engine/step_counts.h"

#include <utility>

namespace pagoda {

void StepCounts::clear() {
  seconds_to_first_token.clear();
  seconds_per_output_token.clear();
  finished.clear();
  *this = {.seconds_to_first_token = std::move(seconds_to_first_token),
           .seconds_per_output_token = std::move(seconds_per_output_token),
           .finished = std::move(finished)};
}

}  // namespace pagoda
