// The bodies of error answers. They carry the flat fields of vLLM 0.9.2 and, beside them, the
// nested object that OpenAI clients read.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "api/http/http_message.h"

namespace pagoda {

// {"object":"error","message":...,"type":...,"param":null,"code":...,"error":{...}}
HttpReply error_reply(int status, std::string_view type, std::string_view message);
// What FastAPI answers where no route was reached: {"detail": ...}.
HttpReply detail_reply(int status, std::string_view detail);
// An event of a stream that has begun, and the end of that stream.
std::string stream_error(int status, std::string_view type, std::string_view message);

}  // namespace pagoda
