// From the messages of a chat to its prompt.
//
// Thread rule: pure function.
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "api/api_model.h"
#include "api/pictures/picture_loader.h"
#include "api/requests/chat_request.h"
#include "api/requests/prompt.h"

namespace pagoda {

struct RenderedChat {
  Prompt prompt;                    // with pictures: one token each, see expand_pictures()
  boost::json::array messages;      // as the template saw them
  std::optional<int64_t> truncate;  // as asked for; a prompt with pictures is whole nevertheless
  std::vector<PictureSource> pictures;
  PictureShape shape;  // of the pictures
};
// Throws kRequest: what is wrong with a message, or what the template says; also when `abandoned`
// is asked to stop.
RenderedChat render_chat(const ChatPrompt& chat, std::optional<int64_t> truncate,
                         const ApiModel& served, const std::stop_token& abandoned);

}  // namespace pagoda
