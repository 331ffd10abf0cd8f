// How a connection through TLS begins.
//
// Thread rule: its I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstdint>

#include "api/transport/client_stream.h"
#include "api/transport/tls_context.h"

namespace pagoda {

enum class Handshake : uint8_t {
  kDone,    // from here on everything is encrypted
  kPlain,   // the client does not speak TLS, and can read a plain answer
  kFailed,  // TLS has told the client why, where it could
  kGone,    // the client has left, or sent nothing in time
};

// All of it has one time limit. `failed` says why, where it is kFailed.
boost::asio::awaitable<Handshake> shake_hands(ClientStream& stream, const TlsContext& tls,
                                              std::chrono::seconds timeout,
                                              boost::system::error_code& failed);

}  // namespace pagoda
