// From the messages of a request to what a chat template expects: content as one text or as a list
// of parts, tool-call arguments as objects. Pictures are collected on the way.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/pictures/picture_source.h"
#include "text/template/chat_template.h"

namespace pagoda {

// Of a model that sees pictures.
struct PictureRules {
  std::string_view placeholder;  // of a picture, in a text
  int64_t most = 0;              // of one request
};

struct MessageRules {
  ChatTemplate::ContentFormat format;
  std::string_view model;  // as messages about pictures call it
  std::optional<PictureRules> pictures = {};
};

struct TemplateMessages {
  boost::json::array messages;
  std::vector<PictureSource> pictures;  // in the order of the prompt
};

// Throws kRequest naming the message, what is wrong with it and what is allowed.
TemplateMessages template_messages(const boost::json::array& messages, const MessageRules& rules);

// The text of the last message if it is of that role: what echo puts before the answer.
std::string text_to_echo(const boost::json::array& messages, std::string_view role);

}  // namespace pagoda
