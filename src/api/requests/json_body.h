// From the bytes of a request to its JSON object.
//
// Thread rule: pure function.
#pragma once

#include <boost/json/object.hpp>

#include "api/http/http_message.h"

namespace pagoda {

// Throws a Refusal that says why there is none.
boost::json::object json_body_of(const HttpRequest& request);

}  // namespace pagoda
