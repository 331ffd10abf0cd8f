#include "api/http/error_body.h"

#include <boost/json.hpp>
#include <new>
#include <utility>

#include "base/json_writer.h"

namespace pagoda {
namespace {

boost::json::object flat_fields(int status, std::string_view type, std::string_view message) {
  return {{"object", "error"},
          {"message", message},
          {"type", type},
          {"param", nullptr},
          {"code", status}};
}

}  // namespace

HttpReply error_reply(int status, std::string_view type, std::string_view message) {
  boost::json::object body = flat_fields(status, type, message);
  body["error"] = boost::json::object{
      {"message", message}, {"type", type}, {"param", nullptr}, {"code", status}};
  return json_reply(status, to_json(body));
}

HttpReply detail_reply(int status, std::string_view detail) {
  return json_reply(status, to_json(boost::json::object{{"detail", detail}}));
}

Failure failure_of(const std::exception& cause) {
  if (dynamic_cast<const std::bad_alloc*>(&cause) == nullptr) return engine_failure(cause.what());
  return {.status = 503,
          .type = "ServiceUnavailableError",
          .message =
              "the server has no memory for this request now; try again later, or ask for "
              "less at once"};
}

Failure engine_failure(std::string reason) {
  return {.status = 500, .type = "InternalServerError", .message = std::move(reason)};
}

HttpReply failure_reply(const Failure& failure) {
  HttpReply reply = error_reply(failure.status, failure.type, failure.message);
  if (failure.status == 503) reply.headers.push_back({"retry-after", "1"});
  return reply;
}

std::string stream_error(int status, std::string_view type, std::string_view message) {
  const boost::json::object body = {{"error", flat_fields(status, type, message)}};
  return "data: " + to_json(body) + "\n\ndata: [DONE]\n\n";
}

}  // namespace pagoda
