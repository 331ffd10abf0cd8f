#include "api/http/error_body.h"

#include <boost/json.hpp>

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

std::string stream_error(int status, std::string_view type, std::string_view message) {
  const boost::json::object body = {{"error", flat_fields(status, type, message)}};
  return "data: " + to_json(body) + "\n\ndata: [DONE]\n\n";
}

}  // namespace pagoda
