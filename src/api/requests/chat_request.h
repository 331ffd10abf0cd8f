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
  boost::json::array messages;  // as sent, checked to be objects with a role
  // As the template sees them; none with a tool_choice of none.
  std::optional<boost::json::array> tools;
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
  // max_tokens is max_completion_tokens where that is given, logprobs is top_logprobs where
  // `logprobs` is true.
  RequestFields fields;
  ChatPrompt prompt;
  bool echo = false;
  ToolChoice tool_choice = ToolChoice::kNone;
  std::string request_id;
};

// What is wrong is added to the reader's errors; after that the result means nothing.
ChatPrompt read_chat_prompt(FieldReader& in);
// Throws a Refusal that tells what is wrong.
ChatRequest read_chat_request(const boost::json::object& body);

}  // namespace pagoda
