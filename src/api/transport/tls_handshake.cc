#include "api/transport/tls_handshake.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>

namespace pagoda {
namespace {

namespace asio = boost::asio;

constexpr std::byte kTlsHandshake{0x16};  // the first byte of every TLS connection (RFC 8446, 5.1)

}  // namespace

asio::awaitable<Handshake> shake_hands(ClientStream& stream, const TlsContext& tls,
                                       std::chrono::seconds timeout,
                                       boost::system::error_code& failed) {
  stream.expires_after(timeout);
  const asio::mutable_buffer first = stream.received().prepare(ClientStream::kReadBytes);
  const size_t received =
      co_await stream.async_read_some(first, asio::redirect_error(asio::use_awaitable, failed));
  if (failed) co_return Handshake::kGone;
  stream.received().commit(received);
  if (*static_cast<const std::byte*>(stream.received().cdata().data()) != kTlsHandshake) {
    co_return Handshake::kPlain;
  }
  const TlsContextHandle context = tls.current();
  const size_t used = co_await stream.async_handshake(
      context, stream.received(), asio::redirect_error(asio::use_awaitable, failed));
  stream.received().consume(used);
  co_return failed ? Handshake::kFailed : Handshake::kDone;
}

}  // namespace pagoda
