// Serves one HTTP/1.1 connection, plain or through TLS, until it ends.
//
// Thread rule: created and run on its I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>

#include "api/routes/service.h"
#include "api/transport/body_memory.h"
#include "api/transport/event_hub.h"
#include "api/transport/io_thread.h"
#include "api/transport/tls_context.h"

namespace pagoda {

struct ConnectionParts {
  Service& service;
  IoThread& thread;
  EventHub& hub;
  BodyMemory& bodies;
  boost::asio::thread_pool& workers;  // prepare what would hold up the I/O thread
  const TlsContext* tls = nullptr;    // none: plain HTTP
};

boost::asio::awaitable<void> serve_connection(boost::asio::ip::tcp::socket socket,
                                              ConnectionParts parts);

}  // namespace pagoda
