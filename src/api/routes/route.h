// A row of the table of routes, and what passes between it and the service.
//
// Thread rule: values; a RouteContext is fixed while requests are served.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>

#include "api/answers/generation.h"
#include "api/api_model.h"
#include "api/http/http_message.h"
#include "api/routes/preparation.h"

namespace pagoda {

class ApiCounters;
class PictureLoader;
struct Route;

// What a route needs to answer a request.
struct RouteContext {
  ApiModel served;
  const ApiCounters* counters = nullptr;
  PictureLoader* picture_loader = nullptr;  // where the model sees pictures
};

// A JSON body, and what else of the HTTP request matters to a route.
struct RouteRequest {
  const boost::json::object& body;  // gone when the route has returned
  std::string request_id;           // of the header X-Request-Id, or a new one
  std::stop_token abandoned = {};   // asked to stop when nobody waits for the answer any more
};

// The whole reply, or a generation from which it will come, or what has to be done before either.
struct RouteAnswer {
  HttpReply reply = {};  // of a generation: the headers that its answer carries
  std::unique_ptr<Generation> generation = {};
  std::unique_ptr<Preparation> preparation = {};
  const Route* route = nullptr;  // which made it, set by the service; null: none was found
};

// Both throw an Error for what the client did wrong, or a Refusal.
using BodyRoute = RouteAnswer (*)(const RouteRequest&, const RouteContext&);  // takes a JSON body
using StateRoute = HttpReply (*)(const RouteContext&);                        // takes nothing
// Answers while the model still loads, too.
using FixedRoute = HttpReply (*)();
// vLLM has it, but not for models that generate text.
struct UnsupportedRoute {
  std::string_view api;
};

enum class Counted : uint8_t { kYes, kNo };  // in the metrics of routes
enum class Offered : uint8_t { kAlways, kInDevMode };

struct Route {
  std::string_view method, path;
  std::variant<BodyRoute, StateRoute, FixedRoute, UnsupportedRoute> kind;
  Counted counted = Counted::kYes;
  Offered offered = Offered::kAlways;

  bool needs_model() const { return !std::holds_alternative<FixedRoute>(kind); }
};

}  // namespace pagoda
