// Writes to a client in pieces of a size that a slow one takes within the time limit of each.
//
// Thread rule: its I/O thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string_view>

#include "api/transport/client_stream.h"

namespace pagoda {

class AnswerWriter {
 public:
  AnswerWriter(ClientStream& stream, std::chrono::seconds timeout)
      : stream_(stream), timeout_(timeout) {}

  // Both: whether the client has taken all of it.
  boost::asio::awaitable<bool> write(std::string_view text);
  boost::asio::awaitable<bool> write_chunks(std::string_view text);  // of HTTP

 private:
  ClientStream& stream_;
  const std::chrono::seconds timeout_;
};

}  // namespace pagoda
