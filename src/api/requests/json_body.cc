#include "api/requests/json_body.h"

#include <boost/json.hpp>

#include "api/http/error_body.h"
#include "api/requests/validation.h"
#include "base/str.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// Tool schemas nest deeply; Boost's own limit of 32 is too low for some. Everything that walks
// through a body is recursive, so there is a limit.
constexpr size_t kMaxDepth = 256;

bool is_json(const HttpRequest& request) {
  std::string_view type = request.header("content-type").value_or("");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  return equal_ignoring_case(type, "application/json");
}

[[noreturn]] void refuse_bytes(const std::string& why) {
  throw Refusal(error_reply(400, "Bad Request", str("There was an error parsing the body: ", why)));
}

size_t first_invalid_byte(std::string_view text) {
  size_t valid = 0;
  for (size_t step = text.size(); step > 0; step /= 2) {
    while (valid + step <= text.size()) {
      const std::string_view begin = text.substr(0, valid + step);
      if (!is_valid_utf8(begin.substr(0, begin.size() - incomplete_utf8_tail(begin)))) break;
      valid += step;
    }
  }
  return valid;
}

[[noreturn]] void refuse_syntax(size_t at, std::string_view body, const json::error_code& failed) {
  // Python's words for what is missing at the end; for the rest the parser's own.
  const std::string reason =
      failed == json::error::incomplete ? std::string("Expecting value") : failed.message();
  ValidationErrors errors;
  errors.add({"json_invalid",
              {std::to_string(num_code_points(body.substr(0, at)))},
              "JSON decode error",
              str("'error': '", reason, "'")},
             json::object());
  errors.refuse();
}

[[noreturn]] void refuse_shape(const json::value& value) {
  ValidationErrors errors;
  if (value.is_null()) {
    errors.add_missing({}, value);
  } else {
    errors.add({"model_attributes_type",
                {},
                "Input should be a valid dictionary or object to extract fields from",
                {}},
               value);
  }
  errors.refuse();
}

}  // namespace

json::object json_body_of(const HttpRequest& request) {
  if (!is_json(request)) {
    throw Refusal(error_reply(400, "Bad Request",
                              "Unsupported Media Type: Only 'application/json' is allowed"));
  }
  const std::string_view body = request.body;
  if (body.empty()) refuse_shape(nullptr);
  if (!is_valid_utf8(body)) {
    refuse_bytes(str("byte ", first_invalid_byte(body), " begins no UTF-8 character"));
  }
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::stream_parser parser(json::storage_ptr(), options);
  json::error_code failed;
  const size_t at = parser.write(body, failed);
  if (!failed) parser.finish(failed);
  if (failed == json::error::too_deep) {
    refuse_bytes(str("it nests deeper than ", kMaxDepth, " levels"));
  }
  if (failed) refuse_syntax(at, body, failed);
  json::value value = parser.release();
  if (!value.is_object()) refuse_shape(value);
  return std::move(value.get_object());
}

}  // namespace pagoda
