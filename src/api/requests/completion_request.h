// The body of POST /v1/completions.
//
// Thread rule: pure function on values.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "api/requests/request_fields.h"

namespace pagoda {

// A text, or token ids as the client made them.
using PromptInput = std::variant<std::string, std::vector<int64_t>>;

struct CompletionRequest {
  RequestFields fields;
  std::vector<PromptInput> prompts;
  std::string suffix;
  bool echo = false;
  bool add_special_tokens = true;
};

// Throws a Refusal that tells what is wrong.
CompletionRequest read_completion_request(const boost::json::object& body);

}  // namespace pagoda
