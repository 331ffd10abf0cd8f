// Who may ask: API keys, and the cross-origin rules of browsers (the headers of Starlette's
// CORSMiddleware, which vLLM uses).
//
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/http_message.h"
#include "api/server_config.h"

namespace pagoda {

// Whether the request carries one of the keys, or needs none. `path` is below the root path. Takes
// the same time whatever key comes.
bool has_access(const HttpRequest& request, std::string_view path, const AccessConfig& config);

// The answer to a preflight request; nullopt if this is none.
std::optional<HttpReply> preflight_reply(const HttpRequest& request, const AccessConfig& config);
// What the answer to a request with an Origin carries.
std::vector<HttpHeader> cors_headers(const HttpRequest& request, const AccessConfig& config);

}  // namespace pagoda
