#include "api/transport/bell.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace pagoda {

namespace asio = boost::asio;

asio::awaitable<void> Bell::wait() {
  return wait_until(std::chrono::steady_clock::time_point::max());
}

asio::awaitable<void> Bell::wait_until(std::chrono::steady_clock::time_point deadline) {
  timer_.expires_at(deadline);
  boost::system::error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace pagoda
