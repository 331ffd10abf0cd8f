// Reads a request from what a client sends, within the limits of size and time.
//
// Thread rule: its I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <optional>

#include "api/http/http_message.h"
#include "api/server_config.h"
#include "api/transport/answer_writer.h"
#include "api/transport/body_memory.h"
#include "api/transport/client_stream.h"

namespace pagoda {

struct ReceivedRequest {
  explicit ReceivedRequest(BodyMemory& bodies) : memory(bodies) {}

  HttpRequest message;
  bool is_http_1_0 = false;  // knows no chunks
  bool keep_alive = false;   // the client may send another on this connection
  BodyMemory::Share memory;  // of the body
};

// Why it could not be read, or nothing. Tells a client that waits for it that its body is welcome.
boost::asio::awaitable<boost::system::error_code> read_request(ClientStream& stream,
                                                               AnswerWriter& writer,
                                                               const HttpLimits& limits,
                                                               ReceivedRequest& out);
// What to answer then; none where the client has gone or took too long.
std::optional<HttpReply> refusal_of(const boost::system::error_code& failed,
                                    const HttpLimits& limits);

}  // namespace pagoda
