// The bytes of one client: plain, or through TLS. Both are streams to Asio and Beast, chosen by one
// branch a call; the time limits are those of the TCP stream below either.
//
// Thread rule: its I/O thread.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include "api/transport/tls_context.h"

namespace pagoda {

class ClientStream {
 public:
  using executor_type = boost::beast::tcp_stream::executor_type;

  static constexpr size_t kReadBytes = 16 << 10;  // asked for at once

  explicit ClientStream(boost::asio::ip::tcp::socket socket) : tcp_(std::move(socket)) {}
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  executor_type get_executor() { return tcp_.get_executor(); }
  boost::beast::tcp_stream& tcp() { return tcp_; }  // what is below TLS
  boost::asio::ip::tcp::socket& socket() { return tcp_.socket(); }
  void expires_after(std::chrono::steady_clock::duration time) { tcp_.expires_after(time); }
  void expires_never() { tcp_.expires_never(); }
  bool is_encrypted() const { return tls_.has_value(); }
  // What the client has sent and nobody has used yet.
  boost::beast::flat_buffer& received() { return received_; }

  // Ends it at once: whatever still runs on it fails.
  void hang_up() {
    boost::system::error_code ignored;
    tcp_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
    tcp_.close();
  }
  bool is_open() const { return tcp_.socket().is_open(); }  // false as well after a time limit

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Token>(token));
    return tcp_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Token>(token));
    return tcp_.async_write_some(buffers, std::forward<Token>(token));
  }

  // From here on everything is encrypted. `received` is what has come so far.
  template <class Token>
  auto async_handshake(const TlsContextHandle& context, const boost::beast::flat_buffer& received,
                       Token&& token) {
    SSL_CTX_up_ref(context.get());  // for what takes it over here
    boost::asio::ssl::context shared(context.get());
    tls_.emplace(tcp_, shared);
    return tls_->async_handshake(boost::asio::ssl::stream_base::server, received.cdata(),
                                 std::forward<Token>(token));
  }
  // Tells the client that nothing was cut off, and waits until it says the same. Encrypted only.
  template <class Token>
  auto async_shutdown(Token&& token) {
    return tls_->async_shutdown(std::forward<Token>(token));
  }

 private:
  boost::beast::tcp_stream tcp_;
  boost::beast::flat_buffer received_;
  std::optional<boost::beast::ssl_stream<boost::beast::tcp_stream&>> tls_;
};

}  // namespace pagoda
