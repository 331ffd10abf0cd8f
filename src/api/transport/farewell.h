// How a connection ends so that its client has read everything.
//
// Thread rule: its I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>

#include "api/transport/bell.h"
#include "api/transport/client_stream.h"

namespace pagoda {

// How long a client may take to say the same, or to stop sending.
constexpr std::chrono::seconds kLinger{2};

// Tells a client through TLS that this is the end, without which it must take an answer for cut
// off, and waits as long as that for its own. Hangs up on who does not give it.
boost::asio::awaitable<void> end_tls(ClientStream& stream, Bell& bell,
                                     std::chrono::steady_clock::duration patience);

// Says that no more will come, then reads what the client still sends and drops it: or else the
// kernel would reset the connection before the client has read its answer.
boost::asio::awaitable<void> linger(ClientStream& stream);

}  // namespace pagoda
