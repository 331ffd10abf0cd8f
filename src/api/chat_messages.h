// From the messages of a request to what a chat template expects: content as one text or as a list
// of parts, tool-call arguments as objects.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "text/chat_template.h"

namespace pagoda {

// Throws kRequest naming the message, what is wrong with it and what is allowed. `model` is how
// messages about images call the model.
boost::json::array template_messages(const boost::json::array& messages,
                                     ChatTemplate::ContentFormat format, std::string_view model);

// The text of the last message if it is of that role: what echo puts before the answer.
std::string text_to_echo(const boost::json::array& messages, std::string_view role);

}  // namespace pagoda
