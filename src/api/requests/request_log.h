// One line for each prompt, as vLLM writes it.
//
// Thread rule: any thread.
#pragma once

#include <string>

#include "api/requests/prompt.h"
#include "api/server_config.h"

namespace pagoda {

// "Received request cmpl-...-0: prompt: '...', params: SamplingParams(...), prompt_token_ids: ..."
void log_request(const std::string& id, const Prompt& prompt, const std::string& params,
                 const RequestLogConfig& config);

}  // namespace pagoda
