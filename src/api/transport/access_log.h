// One line for each answer, as uvicorn writes it.
//
// Thread rule: any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/http/http_message.h"
#include "api/server_config.h"

namespace pagoda {

// INFO:     127.0.0.1:1234 - "POST /v1/completions HTTP/1.1" 200 OK
std::string access_line(const HttpRequest& request, int status);
// {"time":"...","level":"INFO","source":"access","message":"POST /v1/completions 200",
//  "client":"127.0.0.1:1234","method":"POST","path":"/v1/completions","status":200}
std::string access_json(const HttpRequest& request, int status, std::string_view time);
void log_access(const HttpRequest& request, int status, const RequestLogConfig& config);

}  // namespace pagoda
