// Gets answers from the service without holding up the I/O thread: what may take long is done by a
// worker, and what has to be waited for is waited for only as long as its client does.
//
// Thread rule: its I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <stop_token>

#include "api/routes/service.h"
#include "api/transport/bell.h"
#include "api/transport/client_watch.h"

namespace pagoda {

struct AnswerMakerParts {
  Service& service;
  boost::asio::io_context& context;  // of the I/O thread
  boost::asio::thread_pool& workers;
  Bell& bell;
  const ClientWatch& watch;
};

class AnswerMaker {
 public:
  explicit AnswerMaker(const AnswerMakerParts& parts) : parts_(parts) {}

  // Whether the client still waits for it.
  boost::asio::awaitable<bool> make(const HttpRequest& request, RouteAnswer& out);
  // The reply of one whose generation is done; likewise.
  boost::asio::awaitable<bool> make_reply(RouteAnswer& out);

 private:
  // Asks `abandoned` to stop when the client has left before heavy work is done.
  boost::asio::awaitable<void> perform(const std::function<void()>& work, bool is_heavy,
                                       std::stop_source& abandoned);
  boost::asio::awaitable<bool> prepare(Preparation& preparation);
  void post_ready(bool& is_ready);  // any thread

  const AnswerMakerParts parts_;
};

}  // namespace pagoda
