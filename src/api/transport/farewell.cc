#include "api/transport/farewell.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>

namespace pagoda {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kMaxDropped = 8 << 20;

}  // namespace

asio::awaitable<void> end_tls(ClientStream& stream, Bell& bell,
                              std::chrono::steady_clock::duration patience) {
  bool is_done = false;
  // What the client is told is on its way when async_shutdown() returns; its answer is waited for.
  const auto deadline = std::chrono::steady_clock::now() + patience;
  stream.expires_never();
  stream.async_shutdown([&bell, &is_done](error_code) {
    is_done = true;
    bell.ring();
  });
  while (!is_done && stream.is_open() && std::chrono::steady_clock::now() < deadline) {
    co_await bell.wait_until(deadline);
  }
  if (!is_done) stream.hang_up();  // which ends it
  while (!is_done) co_await bell.wait();
}

asio::awaitable<void> linger(ClientStream& stream) {
  error_code failed;
  stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, failed);
  stream.expires_after(kLinger);
  std::array<char, 4096> dropped;
  size_t total = 0;
  while (!failed && total < kMaxDropped) {
    const asio::mutable_buffer target = asio::buffer(dropped);
    total += co_await stream.tcp().async_read_some(
        target, asio::redirect_error(asio::use_awaitable, failed));
  }
}

}  // namespace pagoda
