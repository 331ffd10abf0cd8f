// What completions and chats have in common once their prompts are known: the sequences that the
// engine is to run, and what the answer says of the request.
//
// Thread rule: any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "api/answers/generation.h"
#include "api/api_model.h"
#include "api/requests/prompt.h"
#include "api/requests/request_fields.h"

namespace pagoda {

struct NamedPrompt {
  std::string id;  // as the log shows it
  const Prompt& prompt;
};
// The choices of all prompts, those of the first first; logs each prompt. Throws kRequest for
// parameters that are not possible, prompts that the model cannot read, and more choices, or more
// tokens in them, than one request may have.
std::vector<PlannedChoice> plan_choices(const RequestFields& fields,
                                        std::span<const NamedPrompt> prompts,
                                        const ApiModel& served);

AnswerFrame answer_frame(const RequestFields& fields, std::string id, const ApiModel& served);

}  // namespace pagoda
