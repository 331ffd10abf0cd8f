// Answers that have to wait for the pictures of their prompt.
//
// Thread rule: any thread.
#pragma once

#include <functional>

#include "api/requests/chat_prompt.h"
#include "api/routes/route.h"

namespace pagoda {

using PromptAnswer = std::function<RouteAnswer(const Prompt&)>;

// What `answer` makes of the chat's prompt: at once where it has no pictures, or else a Preparation
// that gets them first. Throws kRequest where a picture's source is of no kind that is possible.
RouteAnswer with_pictures(RenderedChat chat, const RouteContext& context, PromptAnswer answer);

}  // namespace pagoda
