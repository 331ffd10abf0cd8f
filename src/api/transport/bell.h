// What a coroutine waits on until there is something to look at.
//
// Thread rule: its I/O thread; one coroutine waits at a time.
// Invariant: a ring that nobody waits for is lost, so who waits has looked before.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

namespace pagoda {

class Bell {
 public:
  explicit Bell(boost::asio::io_context& context) : timer_(context) {}

  void ring() { timer_.cancel(); }
  boost::asio::awaitable<void> wait();  // until it rings
  boost::asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point deadline);

 private:
  boost::asio::steady_timer timer_;  // cancelled by ring()
};

}  // namespace pagoda
