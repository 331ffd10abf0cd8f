// From the fields of a request to the parameters that the engine samples with.
//
// Thread rule: pure functions on values.
#pragma once

#include <cstdint>
#include <string>

#include "api/api_model.h"
#include "api/requests/request_fields.h"
#include "engine/sampling_params.h"

namespace pagoda {

// The parameters of choice 0; choice i uses seed + i. Without max_tokens it is as much as the
// context leaves. Throws kRequest in vLLM's words.
SamplingParams sampling_params(const RequestFields& fields, int64_t prompt_tokens,
                               const ApiModel& served);

// As vLLM's log prints them.
std::string describe(const SamplingParams& params, const RequestFields& fields);

}  // namespace pagoda
