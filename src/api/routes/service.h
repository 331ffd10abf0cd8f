// From an HTTP request to its answer: access, the table of routes, and what becomes of errors.
// Knows nothing of sockets.
//
// Thread rule: attach() once; everything else from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/http/http_message.h"
#include "api/routes/api_counters.h"
#include "api/routes/route_context.h"
#include "api/routes/routes.h"
#include "api/server_config.h"

namespace pagoda {

struct ServiceAnswer {
  HttpReply reply;  // of a generation: the headers that its answer carries
  std::unique_ptr<Generation> generation;
  std::string_view route;  // as in the table; empty if none was found
  // Not null: there is no answer before it is done and finish() was called.
  std::unique_ptr<Preparation> preparation = {};
};

class Service {
 public:
  explicit Service(const ServerConfig& config);
  ~Service();

  // Throws kConfig where the parts do not fit the configuration.
  void attach(ServiceParts parts);
  void set_draining() { draining_ = true; }

  // Never throws for what a client did.
  ServiceAnswer answer(const HttpRequest& request);
  // Makes the answer of one whose preparation is done. Never throws for what a client did.
  void finish(ServiceAnswer& answer);
  // Whether the answer may take long to prepare, so that it does not belong on an I/O thread.
  static bool is_heavy(const HttpRequest& request);

  // What a connection is to do while a request is served, and afterwards.
  void begin_request() { ++in_flight_; }
  void end_request() { --in_flight_; }
  int64_t in_flight() const { return in_flight_; }
  // Bodies that are held in memory. False where there would be too many; release() all the same.
  [[nodiscard]] bool hold(size_t bytes) {
    return held_bytes_.fetch_add(bytes) + bytes <= config_.limits.max_held_body_bytes;
  }
  void release(size_t bytes) { held_bytes_ -= bytes; }
  ApiCounters& counters() { return counters_; }
  const ServerConfig& config() const { return config_; }
  EngineClient* engine() const;  // null before attach()

 private:
  struct Route;
  static std::span<const Route> routes();

  ServiceAnswer answer_route(const HttpRequest& request, std::string_view path);
  ServiceAnswer call(const Route& route, const HttpRequest& request, const RouteContext& context);
  RouteAnswer answer_json(const Route& route, const HttpRequest& request,
                          const RouteContext& context);

  RouteAnswer health(const HttpRequest& request, const RouteContext& context);
  RouteAnswer load(const HttpRequest& request, const RouteContext& context);
  RouteAnswer models(const HttpRequest& request, const RouteContext& context);
  RouteAnswer metrics(const HttpRequest& request, const RouteContext& context);
  RouteAnswer server_info(const HttpRequest& request, const RouteContext& context);
  RouteAnswer reset_prefix_cache(const HttpRequest& request, const RouteContext& context);

  const ServerConfig config_;
  ApiCounters counters_;
  std::atomic<int64_t> in_flight_{0};
  std::atomic<size_t> held_bytes_{0};
  std::atomic<bool> draining_{false};
  std::unique_ptr<PictureLoader> picture_loader_;    // set by attach()
  std::unique_ptr<const RouteContext> context_;      // set by attach()
  std::atomic<const RouteContext*> ready_{nullptr};  // points there once it is complete
};

}  // namespace pagoda
