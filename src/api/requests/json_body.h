// From the bytes of a request to its JSON object, or to the answer that says why there is none.
//
// Thread rule: pure function.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <variant>

#include "api/http/http_message.h"

namespace pagoda {

std::variant<boost::json::object, HttpReply> json_body_of(const HttpRequest& request);

}  // namespace pagoda
