// Pictures in a prompt: what a request may ask of them, and the tokens that stand for them.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "api/api_model.h"
#include "api/pictures/picture_loader.h"
#include "api/requests/chat_messages.h"
#include "api/requests/prompt.h"

namespace pagoda {

// None where the model sees no pictures.
std::optional<PictureRules> picture_rules(const ApiModel& served);

// Throws kRequest where the tokens do not have one image token for each picture: a text that
// contains it would shift them, and a template may leave them out.
void require_placeholders(const TokenIds& tokens, size_t pictures, const ServiceParts& parts);

// The server's, with a request's mm_processor_kwargs (or null) laid over. Throws kRequest.
PictureShape picture_shape(const boost::json::object* arguments, const ApiModel& served);

// Replaces each image token by as many as its picture has merged patches. Throws kRequest where
// `truncate` would cut the result.
void expand_pictures(Prompt& prompt, std::vector<PictureRef> pictures,
                     std::optional<int64_t> truncate, const PictureParts& parts);

}  // namespace pagoda
