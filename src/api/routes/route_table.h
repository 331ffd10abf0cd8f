// The table of routes. Who needs a key is no matter of a row: all below /v1 do, see has_access().
// Nor is which request is prepared beside the I/O thread: those that may cost much, see
// Service::is_heavy().
//
// Thread rule: constants.
#pragma once

#include <string_view>

#include "api/http/http_message.h"
#include "api/routes/route.h"

namespace pagoda {

// Null where there is none. `path` is below the root path.
const Route* find_route(std::string_view method, std::string_view path, bool dev_mode);
// What is answered then: 405 with the methods that the path has, or 404.
HttpReply no_route_reply(std::string_view path, bool dev_mode);

}  // namespace pagoda
