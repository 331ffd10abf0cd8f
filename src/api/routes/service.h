// From an HTTP request to its answer: access, the table of routes, and what becomes of errors.
// Knows nothing of sockets.
//
// Thread rule: attach() once; everything else from any thread.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>

#include "api/http/http_message.h"
#include "api/routes/api_counters.h"
#include "api/routes/route.h"
#include "api/server_config.h"
#include "api/service_parts.h"

namespace pagoda {

class Service {
 public:
  explicit Service(const ServerConfig& config);
  ~Service();

  // Throws kConfig where the parts do not fit the configuration.
  void attach(ServiceParts parts);
  void set_draining() { draining_ = true; }

  // Never throws for what a client did. With a preparation there is no answer before that is done
  // and finish() was called. Asked to stop, because nobody waits for it any more, it may give any
  // error.
  RouteAnswer answer(const HttpRequest& request, std::stop_token abandoned = {});
  // Makes the answer of one whose preparation is done. Never throws for what a client did.
  void finish(RouteAnswer& answer);
  // Makes the reply of one whose generation is done and is no stream. Never throws for what a
  // client did.
  void complete(RouteAnswer& answer);
  // Whether the answer may take long to prepare, so that it does not belong on an I/O thread: the
  // body is large, or brings what multiplies its work.
  static bool is_heavy(const HttpRequest& request);

  // An answer whose head is about to be sent, `seconds` after its request came.
  void count(const HttpRequest& request, const RouteAnswer& answer, double seconds);
  ApiCounters& counters() { return counters_; }
  const ServerConfig& config() const { return config_; }

 private:
  struct Asked {
    const HttpRequest& request;
    std::stop_token abandoned;
  };
  RouteAnswer call(const Asked& asked, const Route*& route) const;
  RouteAnswer call_with_body(BodyRoute route, const Asked& asked,
                             const RouteContext& context) const;

  const ServerConfig config_;
  ApiCounters counters_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<PictureLoader> picture_loader_;    // set by attach()
  std::unique_ptr<const RouteContext> context_;      // set by attach()
  std::atomic<const RouteContext*> ready_{nullptr};  // points there once it is complete
};

}  // namespace pagoda
