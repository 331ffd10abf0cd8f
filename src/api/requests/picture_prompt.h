// Pictures in a prompt: what a request may ask of them, the wait for them, and the tokens that
// stand for them.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "api/requests/chat_messages.h"
#include "api/requests/prompt.h"
#include "api/routes/routes.h"

namespace pagoda {

// None where the model sees no pictures.
std::optional<PictureRules> picture_rules(const RouteContext& context);

// Throws kRequest where the tokens do not have one image token for each picture: a text that
// contains it would shift them, and a template may leave them out.
void require_placeholders(const TokenIds& tokens, size_t pictures, const RouteContext& context);

// The server's, with a request's mm_processor_kwargs (or null) laid over. Throws kRequest.
PictureShape picture_shape(const boost::json::object* arguments, const RouteContext& context);

// Replaces each image token by as many as its picture has merged patches. Throws kRequest where
// `truncate` would cut the result.
void expand_pictures(Prompt& prompt, std::vector<PictureRef> pictures,
                     std::optional<int64_t> truncate, const RouteContext& context);

// Gets the pictures, then makes the answer of them. Throws kRequest where a source is of no kind
// that is possible.
std::unique_ptr<Preparation> prepare_pictures(
    const ChatPromptResult& chat, const RouteContext& context,
    std::function<RouteAnswer(std::vector<PictureRef>)> answer);

}  // namespace pagoda
