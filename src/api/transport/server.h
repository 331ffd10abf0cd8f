// The HTTP server: binds a port at once, answers 503 while the model loads, then serves the
// OpenAI API in front of an engine.
//
//   Server server(config);              // the port is ours from here on
//   server.start();                     // clients get 503
//   Engine engine(..., server.sink());  // minutes, maybe
//   server.attach(parts);               // now requests are served
//   engine.run();                       // events come through the sink
//
// Thread rule: all of these calls on one thread (main), but sink() is for the engine's,
// reload_tls() for any, and drain() and stop() may be called from any while engine.run() runs.
// Invariant: nothing a client sends stops the server.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "api/server_config.h"
#include "api/service_parts.h"

namespace pagoda {

class Server {
 public:
  // Binds. Throws kConfig naming host, port and the reason, or what is wrong with a file of TLS.
  explicit Server(const ServerConfig& config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;  // the one that was bound

  // Starts the I/O threads. /version answers, everything else gets 503 until attach().
  void start();
  // Reads key and certificate again, for the connections to come. Throws kConfig where they are
  // wrong, and goes on with those it has. Nothing happens where there is no TLS.
  void reload_tls();
  // Where the engine reports to.
  EventSink& sink();
  // From now on requests are served. Throws kConfig where the parts do not fit the configuration
  // (an unknown parser, a reasoning parser whose marks the vocabulary lacks).
  void attach(ServiceParts parts);

  // Stops accepting, lets what runs finish, closes idle connections. Returns when no request is in
  // flight, after `grace` at the latest: whether all had finished.
  bool drain(std::chrono::milliseconds grace);
  // Cancels what is still running, closes all connections and joins the I/O threads. The engine may
  // go after this, not before.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pagoda
