// The body of POST /v1/chat/completions.
//
// Thread rule: pure function on values; a ChatRequest points into the body it was read from.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "api/requests/request_fields.h"

namespace pagoda {

// What the chat template gets; /tokenize takes the same fields.
struct ChatPrompt {
  boost::json::array messages;              // as sent, checked to be objects with a role
  std::optional<boost::json::array> tools;  // as the template sees them
  const boost::json::array* documents = nullptr;
  const boost::json::object* template_kwargs = nullptr;
  const boost::json::object* processor_arguments = nullptr;  // mm_processor_kwargs
  std::optional<std::string> chat_template;
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  bool add_special_tokens = false;
};

enum class ToolChoice : uint8_t { kNone, kAuto, kRequired, kNamed };

struct ChatRequest {
  RequestFields fields;  // max_tokens is max_completion_tokens where that is given
  ChatPrompt prompt;
  bool logprobs = false;
  int64_t top_logprobs = 0;
  bool echo = false;
  ToolChoice tool_choice = ToolChoice::kNone;
  std::string request_id;
};

ChatPrompt read_chat_prompt(const boost::json::object& body, ValidationErrors& errors);
// What is wrong is added to `errors`; after that the result means nothing.
ChatRequest read_chat_request(const boost::json::object& body, ValidationErrors& errors);

}  // namespace pagoda
